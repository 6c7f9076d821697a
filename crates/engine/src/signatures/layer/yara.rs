//! YARA rules on one buffer: the condition over the places of a rule's strings, and over other rules.

use super::{Evaluation, Layer};
use patterns::signature::Executable;
use rules::signatures::yara::condition::{Facts, Value};
use rules::signatures::{FileType, Set};
use std::collections::HashMap;
use std::ops::Range;

/// Steps of one rule, those of the rules that it names included.
const STEPS: u32 = 200_000;

pub(super) struct Rules<'a> {
    pub set: &'a Set,
    pub layer: &'a Layer<'a>,
    /// Places of strings by logical signature.
    pub places: &'a HashMap<u32, Vec<(u8, Range<usize>)>>,
    pub macros: &'a HashMap<u8, Vec<usize>>,
}

impl Rules<'_> {
    /// Does it hold, and was it given up?
    pub fn holds(&self, rule: u32) -> (bool, bool) {
        let mut steps = STEPS;
        let holds = self.evaluate(rule, &mut steps);
        (holds == Some(true), holds.is_none())
    }

    fn evaluate(&self, rule: u32, steps: &mut u32) -> Option<bool> {
        let logical = self.set.logical.get(rule as usize)?;
        let yara = logical.yara.as_ref()?;
        let places = self.places.get(&rule).map_or(&[][..], Vec::as_slice);
        let mut evaluation = Evaluation::new(self.set, self.layer, logical, places, self.macros);
        evaluation.search_all();
        yara.condition.evaluate(&mut Buffer { rules: self, starts: &evaluation.starts }, steps).truth()
    }
}

struct Buffer<'a> {
    rules: &'a Rules<'a>,
    starts: &'a [Vec<usize>],
}

impl Facts for Buffer<'_> {
    fn starts(&self, string: u8) -> Option<&[usize]> {
        Some(self.starts.get(usize::from(string)).map_or(&[], Vec::as_slice))
    }

    /// Of the file, also where the buffer is a copy of it.
    fn size(&self) -> Option<u64> {
        Some(self.rules.layer.size)
    }

    /// 0 in what is no program, as in ClamAV.
    fn entry_point(&self) -> Option<Value> {
        let layer = self.rules.layer;
        Some(match layer.executable {
            Some(Executable { entry_point, .. }) => Value::Integer(i64::from(*entry_point)),
            None if FileType::from_name("CL_TYPE_MSEXE") == Some(layer.kind) => Value::Undefined,
            None => Value::Integer(0),
        })
    }

    /// Of the file as well.
    fn bytes(&self, at: u64, length: usize) -> Option<Option<&[u8]>> {
        let start = usize::try_from(at).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(length)?));
        Some(range.and_then(|range| self.rules.layer.file.get(range)))
    }

    fn rule(&mut self, rule: u32, steps: &mut u32) -> Option<bool> {
        self.rules.evaluate(rule, steps)
    }
}
