//! Which characters are common in which language, and which of the national standards' two levels a character is in.
//!
//! Only the few hundred most frequent characters are listed; the levels come from the standards' own layout (common
//! characters first), read once out of the decoders.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GBK};
use std::sync::LazyLock;

/// How common a character is in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Foreign = 0,
    Rare = 1,
    Known = 2,
    Common = 3,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Script {
    Japanese = 0,
    Simplified = 2,
    Traditional = 4,
    Korean = 6,
}

/// The rank of a character of the basic plane among the ideographs and syllables of one script.
pub(super) fn rank(c: char, script: Script) -> Rank {
    let Some(&bits) = TABLE.get(c as usize) else { return Rank::Foreign };
    match (bits >> script as u8) & 3 {
        0 => Rank::Foreign,
        1 => Rank::Rare,
        2 => Rank::Known,
        _ => Rank::Common,
    }
}

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut table = vec![0u8; 0x1_0000];
    let mut set = |c: char, script: Script, rank: Rank| {
        if let Some(bits) = table.get_mut(c as usize) {
            let shift = script as u8;
            if (*bits >> shift) & 3 < rank as u8 {
                *bits = (*bits & !(3 << shift)) | ((rank as u8) << shift);
            }
        }
    };
    let mut plane = |encoding: &'static Encoding, leads: std::ops::RangeInclusive<u8>, trails: &[u8], script, rank| {
        for lead in leads {
            for &trail in trails {
                let pair = [lead, trail];
                let (text, errors) = encoding.decode_without_bom_handling(&pair);
                let mut chars = text.chars();
                if let (false, Some(c), None) = (errors, chars.next(), chars.next()) {
                    set(c, script, rank);
                }
            }
        }
    };
    let euc: Vec<u8> = (0xA1..=0xFE).collect();
    let big5: Vec<u8> = (0x40..=0x7E).chain(0xA1..=0xFE).collect();
    plane(EUC_JP, 0xB0..=0xCF, &euc, Script::Japanese, Rank::Known);
    plane(EUC_JP, 0xD0..=0xF4, &euc, Script::Japanese, Rank::Rare);
    plane(GBK, 0xB0..=0xD7, &euc, Script::Simplified, Rank::Known);
    plane(GBK, 0xD8..=0xF7, &euc, Script::Simplified, Rank::Rare);
    plane(BIG5, 0xA4..=0xC6, &big5, Script::Traditional, Rank::Known);
    plane(BIG5, 0xC9..=0xF9, &big5, Script::Traditional, Rank::Rare);
    plane(EUC_KR, 0xB0..=0xC8, &euc, Script::Korean, Rank::Known);
    plane(EUC_KR, 0xCA..=0xFD, &euc, Script::Korean, Rank::Rare);
    for (list, script) in [
        (JAPANESE, Script::Japanese),
        (SIMPLIFIED, Script::Simplified),
        (TRADITIONAL, Script::Traditional),
        (KOREAN, Script::Korean),
    ] {
        for c in list.chars() {
            set(c, script, Rank::Common);
        }
    }
    table
});

/// Hiragana that make up most of Japanese text.
pub(super) const FREQUENT_HIRAGANA: &str = "のにはをたがでてとしれさいるすなかまもらりくうこけおごくだあきせつめやよ";
pub(super) const FREQUENT_KATAKANA: &str = "ーンストルッイアラリクドジシレコマカタロテフ";

const JAPANESE: &str = "日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九\
入選立開手米力学問高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度務強気小七成期公野協取都和\
統以機平総加山思家話世受区領多県続進正安設保改数記院女初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝面委告軍文反元重近千考判\
認画海参売利組知案道信策集在件団別物側任引使求所次水半品昨論計死官増係感特情投示変打男基私各始島直両朝価式確村提運終挙果西勢減台広容必応演電歳住争談\
能無再位置企真流格有疑口過局少放税検藤町常校料沢裁状工建語球営空職証土与急止送援供可役構木割聞身費付施切由説転食比難防補車優夫研収断井何南石足違消境\
神番規術護展態導鮮備宅害配副算視条幹独警究育席輸訪楽起万着乗店述残想線率病農州武声質念待試族象銀域助労例衛然早張映限親額監環験追審商葉義伝働形景落欧\
担好退準賀訴辺造英被株頭技低毎医復仕去姿味負閣渡失移差衆個門写評課末守若脳極種美岡影命含福蔵量望松非観察整段横型白深字答夜製票況音申様財港識注呼達\
願致頂御弊貴客迷惑購登録更停異払完了払利請求券届荷宛拝啓敬具宜存知候頃誠恐縮添付返却希望署印刷携帯緊即久伺承是絡連絡契約振込座銘柄詳細細載慮障";

const SIMPLIFIED: &str = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种\
事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点\
正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水\
名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马\
科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运\
税费票请您联系专业公司服务价格优惠客户产品免费代开增值普通财务培训课程销售企业注册账户登录密码验证邮箱邮件点击链接附件查看收尊敬谢";

const TRADITIONAL: &str = "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種\
事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點\
正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水\
名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬\
科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運\
請您聯繫絡專服務價格優惠客戶產品免費稅票登錄密碼驗證郵箱郵件點擊連結附件查看收尊敬謝網站會員訂購";

const KOREAN: &str = "이다는에의가고을하지로니기한사은자도시를아나대어서리라있인과해그들수정일상전부보것제여원장주구만스었으면게안용신유오성국동우무세\
적경비모조치요선연습합까님금위청문생교당거미내관개계공업화실방물년월회중됩된되드않없같때더말마저바트며분발영음및소양행명예재진입식학터간감절날호번련할와\
했던데반후편현직심표형통품종질산복광고메일내용확첨파체결등록객십고맙습니귀본외건강알림출";
