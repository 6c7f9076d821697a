//! Names as people write them, made comparable: of firms in senders' names and subjects, of officers.
//!
//! In: text that the text view has normalised already (widths, look-alike letters, invisible characters). Out: its letters
//! and digits in lower case, and where a word may begin. Blanks and punctuation go, since Ａ Ｍ Ａ Ｚ Ｏ Ｎ and Ama.zon
//! are meant to be read as Amazon; but where they stood stays known, so that "ana" is not found in "banana".

use std::ops::Range;

/// Letters and digits of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    pub chars: Vec<char>,
    /// Something stood between this character and the one before, or a capital begins a word after small letters.
    breaks: Vec<bool>,
}

impl Folded {
    pub fn new(text: &str) -> Folded {
        let mut folded = Folded::default();
        let mut broken = true;
        let mut small = false;
        for c in text.chars() {
            if !c.is_alphanumeric() && c != 'ー' {
                broken = true;
                continue;
            }
            let capital = c.is_ascii_uppercase();
            let begins = broken || capital && small;
            for (n, lower) in c.to_lowercase().enumerate() {
                folded.chars.push(japanese_form(lower));
                folded.breaks.push(begins && n == 0);
            }
            broken = false;
            small = c.is_ascii_lowercase();
        }
        folded
    }

    pub fn text(&self) -> String {
        self.chars.iter().collect()
    }

    /// Where `name` stands at `at`, as a word of its own.
    pub fn name_at(&self, at: usize, name: &[char]) -> Option<Range<usize>> {
        let end = at + name.len();
        (self.chars.get(at..end)? == name && self.is_boundary(at) && (self.is_boundary(end) || self.goes_on(end)))
            .then_some(at..end)
    }

    /// Words of business stand behind a name in katakana without a break: アマゾンカスタマーサービス.
    fn goes_on(&self, end: usize) -> bool {
        const WORDS: &[&str] = &[
            "アカウント",
            "オンライン",
            "カスタマ",
            "カード",
            "クラブ",
            "サービス",
            "サポート",
            "ショッピング",
            "ジャパン",
            "セキュリティ",
            "センター",
            "バンク",
            "プライム",
            "メンバー",
        ];
        let rest = &self.chars[end..];
        WORDS.iter().any(|word| word.chars().count() <= rest.len() && word.chars().zip(rest).all(|(a, b)| a == *b))
    }

    pub fn contains(&self, name: &[char]) -> bool {
        !name.is_empty() && (0..self.chars.len()).any(|at| self.name_at(at, name).is_some())
    }

    /// Words do not go on across this place. Kanji and hiragana have no words that we could tell apart.
    fn is_boundary(&self, at: usize) -> bool {
        let (Some(before), Some(after)) = (at.checked_sub(1).and_then(|i| self.chars.get(i)), self.chars.get(at))
        else {
            return true;
        };
        let katakana = |c: char| ('ァ'..='ヿ').contains(&c);
        self.breaks[at]
            || !(before.is_ascii_alphabetic() && after.is_ascii_alphabetic() || katakana(*before) && katakana(*after))
    }
}

/// Simplified forms that stand in names written on a Chinese keyboard, as Japan writes them.
fn japanese_form(c: char) -> char {
    const SIMPLE: &str = "东马长张陈黄冈岛泽广滨关边宫龙贵华红绪绫纪纯绘诚谦让贤赖辉达进远连铃铁锅钢静韩顺领须颜饭鱼鸟鹤丽义习专业严两个丰临为乌乐乔书买云亚产亲亿仅从仓仪众优会伟传伤伦伪体余侧侨俭债倾偿储儿党兰兴养内军农冲决况冻净凉减凤凯击刘则刚创删别剑剧劝办务动励劲劳势勋华协单卖卢卫却厂厅历厉压厌县参双发变叶号后启员响唤商问园围国图圆圣场坏块坚坛坝坞坟坠垄垒墙声处备复够头夹夺奋奖妇妈孙学宁宝实审宪宽宾对导寿将尔尘层属岁岂岗岭峡峰崭币师带帮库应庙废开异弃弹强归当录彻径忆忧怀态总恋恶悬惊惠惯戏战户护担拥择挂挡挤挥损换据掳携摄摆摇撑敌数斋斗断无时旷显晋晓暂术机杀杂权条来杨极构枪枫柜标栋栏树样桥档梦检楼榄欢欧残毁毕气汇汉汤沟没沧沪泪洁洒测济浊浓涂涛润涨渊渐渔温湾湿满滞滤潜灭灯灵炉点炼烂烟烦烧热爱爷牵状独狭狮猎猫献环现珑玛瑶电画畅疗盐监盖盘码砖确礼祸离种积称税稳穷笔筑简粮级约纪纲纳纵纷纸纹线练组细织终绍经结给络绝统继绩绪续维绵综绿缓编缘缝缩缴罗罚职联聪肃胜脑脚脱腊舆舰节芦苍苏荣药莲获萧萨蓝虑虽虾蚁蛮补装裤见观规视览觉计订认讨训议讯记讲许论设访证评识诉词译试诗话询该详语误说请诸读课谁调谈谊谢谨谱贝负贡财责败货质贩购贯贸费贺资赏赛赞赠赤赵起践车转轮软轴轻载较输辞边辽过运还这违迟适选遗邓邮邻郑郭酱释里鉴针钟钱银链销锁错锦键镇镜门闭间闲闻闽阁阳阴阵阶际陆陈险随隐难雾霸韦韩页顶项顾顿预频题额风飞饮饼馆首驶驻驾验骆骑骨麦黄齐齿龄龟";
    const JAPANESE: &str = "東馬長張陳黄岡島沢広浜関辺宮竜貴華紅緒綾紀純絵誠謙譲賢頼輝達進遠連鈴鉄鍋鋼静韓順領須顔飯魚鳥鶴麗義習専業厳両個豊臨為烏楽喬書買雲亜産親億僅従倉儀衆優会偉伝傷倫偽体余側僑倹債傾償儲児党蘭興養内軍農沖決況凍浄涼減鳳凱撃劉則剛創削別剣劇勧弁務動励勁労勢勲華協単売盧衛却廠庁歴厲圧厭県参双発変葉号後啓員響喚商問園囲国図円聖場壊塊堅壇壩塢墳墜隴塁牆声処備復夠頭夾奪奮奨婦媽孫学寧宝実審憲寛賓対導寿将爾塵層属歳豈崗嶺峡峰嶄幣師帯幇庫応廟廃開異棄弾強帰当録徹径憶憂懐態総恋悪懸驚恵慣戯戦戸護担擁択掛当擠揮損換拠虜携摂擺揺撐敵数斎闘断無時曠顕晋暁暫術機殺雑権条来楊極構槍楓櫃標棟欄樹様橋檔夢検楼欖歓欧残毀畢気彙漢湯溝没滄滬涙潔灑測済濁濃塗濤潤漲淵漸漁温湾湿満滞濾潜滅灯霊炉点煉爛煙煩焼熱愛爺牽状独狭獅猟猫献環現瓏瑪瑶電画暢療塩監蓋盤碼磚確礼禍離種積称税穏窮筆築簡糧級約紀綱納縦紛紙紋線練組細織終紹経結給絡絶統継績緒続維綿綜緑緩編縁縫縮繳羅罰職聯聡粛勝脳脚脱臘輿艦節芦蒼蘇栄薬蓮獲蕭薩藍慮雖蝦蟻蛮補装褲見観規視覧覚計訂認討訓議訊記講許論設訪証評識訴詞訳試詩話詢該詳語誤説請諸読課誰調談誼謝謹譜貝負貢財責敗貨質販購貫貿費賀資賞賽賛贈赤趙起践車転輪軟軸軽載較輸辞辺遼過運還這違遅適選遺鄧郵隣鄭郭醤釈里鑑針鐘銭銀鏈銷鎖錯錦鍵鎮鏡門閉間閑聞閩閣陽陰陣階際陸陳険随隠難霧覇韋韓頁頂項顧頓預頻題額風飛飲餅館首駛駐駕験駱騎骨麦黄斉歯齢亀";
    if !('\u{4E00}'..='\u{9FFF}').contains(&c) {
        return c;
    }
    static TABLE: std::sync::LazyLock<Vec<(char, char)>> = std::sync::LazyLock::new(|| {
        let mut table: Vec<(char, char)> = SIMPLE.chars().zip(JAPANESE.chars()).collect();
        table.sort_unstable();
        table.dedup_by_key(|(from, _)| *from);
        table
    });
    TABLE.binary_search_by_key(&c, |(from, _)| *from).map_or(c, |at| TABLE[at].1)
}

/// Words of a directive: blanks part them, quotes keep blanks. Tells which were quoted.
pub fn quoted_words(text: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('"') {
            let end = inner.find('"').unwrap_or(inner.len());
            words.push((inner[..end].to_owned(), true));
            rest = inner[end..].strip_prefix('"').unwrap_or("").trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push((rest[..end].to_owned(), false));
            rest = rest[end..].trim_start();
        }
    }
    words
}

/// Whether a word of a directive is a domain rather than a name.
pub fn is_domain(word: &str) -> bool {
    let sound = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    word.contains('.') && word.split('.').all(sound)
}

/// The entries of a table under this domain or one above it: `mail.example.co.jp`, `example.co.jp`, `co.jp`.
pub fn above(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |host| host.split_once('.').map(|(_, rest)| rest)).take(12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_of_their_own() {
        let contains = |text: &str, name: &str| Folded::new(text).contains(&Folded::new(name).chars);
        assert!(contains("【 A m a z o n 】", "amazon"));
        assert!(contains("RakutenCard", "rakuten"));
        assert!(contains("JCBカード", "jcb"));
        assert!(!contains("Banana Airlines", "ana"));
        assert!(!contains("ライオンズ", "イオン"));
        assert!(contains("イオン銀行", "イオン"));
        assert!(contains("アマゾンカスタマーサービス", "アマゾン"));
        assert!(contains("イオンカード", "イオン") && !contains("ライオンカード", "イオン"));
        assert!(!contains("アマゾンズ", "アマゾン") && !contains("アマゾネス", "アマゾン"));
        assert!(contains("佐伯 正弘", "佐伯正弘"));
        assert!(contains("江川 胜", "江川 勝"));
    }

    #[test]
    fn words_of_a_directive() {
        let words = quoted_words("a.example \"B C\" d \"e");
        assert_eq!(
            words,
            [("a.example", false), ("B C", true), ("d", false), ("e", true)].map(|(w, q)| (w.to_owned(), q))
        );
        assert!(is_domain("a.example") && !is_domain("お名前.com") && !is_domain("a..b") && !is_domain("ab"));
    }
}
