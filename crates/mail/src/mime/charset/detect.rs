//! Guessing a charset from bytes alone, for text that is neither UTF-8 nor what its label says.
//!
//! Mirrors the method (not the tables) of Mozilla's universal detector, which SpamAssassin asks: a multi-byte charset
//! is out at the first byte pair that it cannot have; of those left, the one wins in which common characters are
//! common. Single-byte charsets other than Windows-1252 are not guessed: that is the last resort in any case.

use std::collections::HashSet;
use std::sync::LazyLock;

/// The name of the charset that the bytes are most likely in.
pub fn detect(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => return Some("UTF-8"),
        [0xfe, 0xff, ..] => return Some("UTF-16BE"),
        [0xff, 0xfe, ..] => return Some("UTF-16LE"),
        _ => {}
    }
    let mut best: Option<(&Candidate, f32)> = None;
    for candidate in &CANDIDATES {
        if let Some(confidence) = candidate.confidence(bytes)
            && confidence > best.map_or(MINIMUM, |(_, best)| best)
        {
            best = Some((candidate, confidence));
        }
    }
    best.map(|(candidate, _)| candidate.name)
}

/// Less than that, and western text is as likely.
const MINIMUM: f32 = 0.35;

struct Candidate {
    name: &'static str,
    /// Bytes of the character that begins here, 0 for "cannot be".
    length: fn(&[u8]) -> usize,
    /// Does the character count for or against the charset?
    counts: fn(u8, u8) -> bool,
    /// Common characters for each other one in usual text.
    ratio: f32,
    common: &'static LazyLock<HashSet<[u8; 2]>>,
    /// The syllables that Japanese cannot do without.
    kana: fn(u8, u8) -> bool,
}

/// In the order in which the first of equals wins.
static CANDIDATES: [Candidate; 5] = [
    Candidate {
        name: "Shift_JIS",
        length: shift_jis,
        counts: |lead, trail| matches!(lead, 0x81..=0x9f | 0xe0..=0xef) && trail >= 0x40,
        ratio: 3.0,
        common: &SHIFT_JIS,
        kana: |lead, trail| lead == 0x82 && (0x9f..=0xf1).contains(&trail),
    },
    Candidate {
        name: "EUC-JP",
        length: euc_jp,
        counts: |lead, trail| lead >= 0xa1 && trail >= 0xa1,
        ratio: 3.0,
        common: &EUC_JP,
        kana: |lead, trail| lead == 0xa4 && (0xa1..=0xf3).contains(&trail),
    },
    Candidate {
        name: "gb18030",
        length: gb18030,
        counts: |lead, trail| lead >= 0xb0 && trail >= 0xa1,
        ratio: 0.9,
        common: &GBK,
        kana: |_, _| false,
    },
    Candidate {
        name: "EUC-KR",
        length: |bytes| pair(bytes, 0xa1..=0xfe, |trail| (0xa1..0xff).contains(&trail)),
        counts: |lead, _| lead >= 0xb0,
        ratio: 6.0,
        common: &EUC_KR,
        kana: |_, _| false,
    },
    Candidate {
        name: "Big5",
        length: |bytes| pair(bytes, 0xa1..=0xf9, |trail| matches!(trail, 0x40..=0x7e | 0xa1..=0xfe)),
        counts: |lead, _| lead >= 0xa4,
        ratio: 0.75,
        common: &BIG5,
        kana: |_, _| false,
    },
];

impl Candidate {
    fn confidence(&self, bytes: &[u8]) -> Option<f32> {
        let (mut counted, mut common, mut pairs_of_kana) = (0u32, 0u32, 0u32);
        let mut after_kana = false;
        let mut rest = bytes;
        while let Some(byte) = rest.first() {
            let length = if *byte < 0x80 { 1 } else { (self.length)(rest) };
            if length == 0 {
                return None;
            }
            if length == 2
                && let [lead, trail, ..] = *rest
            {
                counted += u32::from((self.counts)(lead, trail));
                common += u32::from((self.counts)(lead, trail) && self.common.contains(&[lead, trail]));
                let kana = (self.kana)(lead, trail);
                pairs_of_kana += u32::from(kana && after_kana);
                after_kana = kana;
            } else {
                after_kana = false;
            }
            rest = &rest[length.min(rest.len())..];
        }
        let by_kana = if pairs_of_kana > 4 { 0.95 } else { 0.0 };
        let by_frequency = match (counted, counted - common) {
            (0, _) => 0.01,
            (_, 0) => 0.99,
            (_, rare) => (common as f32 / (rare as f32 * self.ratio)).min(0.99),
        };
        Some(by_frequency.max(by_kana))
    }
}

fn pair(bytes: &[u8], leads: std::ops::RangeInclusive<u8>, trail: fn(u8) -> bool) -> usize {
    match bytes {
        [lead, ..] if !leads.contains(lead) => 0,
        [_, next, ..] if !trail(*next) => 0,
        _ => 2,
    }
}

fn shift_jis(bytes: &[u8]) -> usize {
    match bytes[0] {
        0xa1..=0xdf => 1,
        0x81..=0x9f | 0xe0..=0xfc => pair(bytes, 0x81..=0xfc, |trail| matches!(trail, 0x40..=0x7e | 0x80..=0xfc)),
        _ => 0,
    }
}

fn euc_jp(bytes: &[u8]) -> usize {
    match bytes {
        [0x8e, next, ..] => 2 * usize::from((0xa1..=0xdf).contains(next)),
        [0x8f, second, third, ..] => 3 * usize::from(*second >= 0xa1 && *third >= 0xa1),
        [0x8e | 0x8f, ..] => bytes.len(),
        _ => pair(bytes, 0xa1..=0xfe, |trail| (0xa1..=0xfe).contains(&trail)),
    }
}

fn gb18030(bytes: &[u8]) -> usize {
    match bytes {
        [0x81..=0xfe, 0x30..=0x39, 0x81..=0xfe, 0x30..=0x39, ..] => 4,
        _ => pair(bytes, 0x81..=0xfe, |trail| matches!(trail, 0x40..=0x7e | 0x80..=0xfe)),
    }
}

static SHIFT_JIS: LazyLock<HashSet<[u8; 2]>> = LazyLock::new(|| codes(encoding_rs::SHIFT_JIS, JAPANESE));
static EUC_JP: LazyLock<HashSet<[u8; 2]>> = LazyLock::new(|| codes(encoding_rs::EUC_JP, JAPANESE));
static GBK: LazyLock<HashSet<[u8; 2]>> = LazyLock::new(|| codes(encoding_rs::GBK, SIMPLIFIED));
static EUC_KR: LazyLock<HashSet<[u8; 2]>> = LazyLock::new(|| codes(encoding_rs::EUC_KR, KOREAN));
static BIG5: LazyLock<HashSet<[u8; 2]>> = LazyLock::new(|| codes(encoding_rs::BIG5, TRADITIONAL));

fn codes(encoding: &'static encoding_rs::Encoding, text: &str) -> HashSet<[u8; 2]> {
    let code = |c: char| <[u8; 2]>::try_from(encoding.encode(c.encode_utf8(&mut [0; 4])).0.as_ref()).ok();
    text.chars().filter_map(code).collect()
}

// Common characters of each language, most common first.

const JAPANESE: &str = "\u{3000}、。・ー「」（）？！～：／〇\
    あいうえおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろわをん\
    ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユョヨラリルレロワヲンヴ\
    ０１２３４５６７８９ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ\
    日一人年大国会本月中出時行見分後前生事自社上金手場合東方地回同内高業力者間的長学全体部下理小相新動性度物目発今名発化対通主代定用法問実成最表外作気立思電話元初\
    万円無料登録情報利用者様客送信受信確認届注文商品送料格安特別限定会員番号氏住所完了手続開始終変更支払振込口座銀行店女男好愛写真無修正画像動画\
    取入不持数家明当先戦連知市入正公京第教結子要加記文書近必要意味関係以言私何世界経済政治選使来願致申上下請求返品税込価格書類配達件";

const SIMPLIFIED: &str = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里\
    用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运笔照转叫热单收请服司费联系您元价优惠网站址地址号码客户产品欢迎购买免费提供专业服务邮件信息技术公司企业经理销售培训课程费用电话传真手机短信";

const TRADITIONAL: &str = "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡裏\
    用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運筆照轉叫熱單收請服費聯您元價優惠網站址號碼客戶歡迎購買免費提供專業郵件訊息技術企業推廣廣告賺錢機會加入介紹灣台臺灣版軟體光碟附註吧嗎呢啊喔哦";

const KOREAN: &str = "이다는에하고의가을를은로지도기사시한있그어나리니서자아것인해라수여들으일게대만제장부보정면스상전주없원구성오마안세과비과소거공무국우조방터할음개경유선신치동했되생였위었내분중물용발산실간관문강바학모현화재회업행트품진미계드광후야미반요습년데당체양알말론입속모란금때때러건운김려술저연등식심두습십통출호백민래복외달단돈더른와네노번름받불외능교명련점차결천월작감적겠육추종특증검접순편찾최본력확록료무첨파일메카메일신청판매가격상담클릭홈페쇼핑회원님께즐창업컴퓨인터넷프그램삭표거창최저돈벌씨디험송배택급한벌합르머버크";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn east_asian_text() {
        let check = |encoding: &'static encoding_rs::Encoding, text: &str, expected: Option<&str>| {
            assert_eq!(detect(&encoding.encode(text).0), expected, "{text}");
        };
        let japanese = "いつもご利用いただき、ありがとうございます。お支払い方法の確認をお願いします。";
        check(encoding_rs::SHIFT_JIS, japanese, Some("Shift_JIS"));
        check(encoding_rs::EUC_JP, japanese, Some("EUC-JP"));
        check(encoding_rs::GBK, "这是我们公司的产品，欢迎您来电话联系。", Some("gb18030"));
        check(encoding_rs::BIG5, "這是我們公司的產品，歡迎您來電話聯絡。", Some("Big5"));
        check(encoding_rs::EUC_KR, "안녕하세요. 이 메일은 광고 메일입니다.", Some("EUC-KR"));
        check(encoding_rs::WINDOWS_1252, "costs £25, or €30 «net»", None);
    }
}
