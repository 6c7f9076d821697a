//! Numbers of a few thousand bits, as far as checking an RSA signature needs them: read, raise to a small power modulo
//! another. Public values only, so nothing here need take the same time for all of them.

/// Little end first; no zeros at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(Vec<u32>);

impl Number {
    pub fn from_decimal(digits: &str) -> Number {
        let mut number = Number(Vec::new());
        for digit in digits.bytes().filter(u8::is_ascii_digit) {
            number.scale_and_add(10, u32::from(digit - b'0'));
        }
        number
    }

    /// Digits of a base that is a power of two, the smallest first.
    pub fn from_digits(digits: impl DoubleEndedIterator<Item = u32>, base: u32) -> Number {
        let mut number = Number(Vec::new());
        for digit in digits.rev() {
            number.scale_and_add(base, digit);
        }
        number
    }

    fn scale_and_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for limb in &mut self.0 {
            let sum = u64::from(*limb) * u64::from(factor) + carry;
            *limb = sum as u32;
            carry = sum >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// The big end first; `None`: it does not fit.
    pub fn to_bytes(&self, length: usize) -> Option<Vec<u8>> {
        let mut bytes: Vec<u8> = self.0.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        if bytes.len() > length {
            return None;
        }
        bytes.resize(length, 0);
        bytes.reverse();
        Some(bytes)
    }

    pub fn is_less_than(&self, other: &Number) -> bool {
        let longest = self.0.len().max(other.0.len());
        let limb = |number: &Number, index: usize| number.0.get(index).copied().unwrap_or(0);
        (0..longest)
            .rev()
            .map(|index| (limb(self, index), limb(other, index)))
            .find(|(a, b)| a != b)
            .is_some_and(|(a, b)| a < b)
    }

    /// `self` to the power, modulo `modulus`, which must be larger than `self`.
    pub fn power(&self, exponent: u32, modulus: &Number) -> Number {
        let mut result = Number(vec![1]);
        for bit in (0..32).rev() {
            result = result.times(&result, modulus);
            if exponent >> bit & 1 == 1 {
                result = result.times(self, modulus);
            }
        }
        result
    }

    /// Doubling and adding: slow, plain, and a signature takes some milliseconds.
    fn times(&self, other: &Number, modulus: &Number) -> Number {
        let mut product = Number(Vec::new());
        for limb in other.0.iter().rev() {
            for bit in (0..32).rev() {
                product.double_within(modulus);
                if limb >> bit & 1 == 1 {
                    product.add_within(self, modulus);
                }
            }
        }
        product
    }

    fn double_within(&mut self, modulus: &Number) {
        self.scale_and_add(2, 0);
        self.reduce(modulus);
    }

    fn add_within(&mut self, other: &Number, modulus: &Number) {
        let length = self.0.len().max(other.0.len());
        self.0.resize(length, 0);
        let mut carry = 0;
        for (index, limb) in self.0.iter_mut().enumerate() {
            let sum = u64::from(*limb) + u64::from(other.0.get(index).copied().unwrap_or(0)) + carry;
            *limb = sum as u32;
            carry = sum >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
        self.reduce(modulus);
    }

    /// Of what is less than twice the modulus.
    fn reduce(&mut self, modulus: &Number) {
        if self.is_less_than(modulus) {
            return;
        }
        let mut borrow = 0;
        for (index, limb) in self.0.iter_mut().enumerate() {
            let less = i64::from(*limb) - i64::from(modulus.0.get(index).copied().unwrap_or(0)) - borrow;
            *limb = less as u32;
            borrow = i64::from(less < 0);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers() {
        for (base, exponent, modulus, expected) in [
            ("4", 13, "497", "445"),
            ("0", 5, "7", "0"),
            ("6", 0, "7", "1"),
            ("123456789012345678901234567", 1, "618970019642690137449562111", "123456789012345678901234567"),
            // Worked out with another program.
            (
                "12345678901234567890",
                65537,
                "100433627766186892221372630609062766858404681029709092356097",
                "62903555146533413818395988782059681700567228202489700001600",
            ),
        ] {
            let power = Number::from_decimal(base).power(exponent, &Number::from_decimal(modulus));
            assert_eq!(power, Number::from_decimal(expected), "{base}^{exponent}");
        }
        // Fermat: 3^(p-1) = 1 mod p for p = 2^31 - 1.
        let p = Number::from_decimal("2147483647");
        assert_eq!(Number::from_decimal("3").power(2_147_483_646, &p), Number::from_decimal("1"));
    }

    #[test]
    fn digits_little_end_first() {
        assert_eq!(Number::from_digits([1, 2, 3].into_iter(), 64), Number::from_decimal("12417"));
        assert_eq!(Number::from_decimal("258").to_bytes(3), Some(vec![0, 1, 2]));
        assert_eq!(Number::from_decimal("65536").to_bytes(2), None);
    }
}
