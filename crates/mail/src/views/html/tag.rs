//! The tag names that mean something to the renderer, and what they mean.

/// A known tag name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(pub u8);

/// Of HTML 4.01 or XHTML 1.0 (and a few that old mail programs write): counts as a valid element.
pub(super) const ELEMENT: u16 = 1;
/// Not valid, but rendered.
pub(super) const TRICK: u16 = 1 << 1;
/// Changes colours or size, as SpamAssassin tracks them.
pub(super) const STYLE: u16 = 1 << 2;
/// May name a URI.
pub(super) const URI: u16 = 1 << 3;
/// Puts whitespace into the text, at its start and at its end.
pub(super) const LINE: u16 = 1 << 4;
pub(super) const BLANK: u16 = 1 << 5;
pub(super) const PARAGRAPH: u16 = 1 << 6;
/// Has no end tag.
pub(super) const VOID: u16 = 1 << 7;

macro_rules! tags {
    ($($id:ident $name:literal $flags:expr,)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u8)]
        enum Order { $($id,)* }

        #[allow(dead_code)] // the table is complete, the renderer names a part of it
        impl Tag {
            $(pub const $id: Tag = Tag(Order::$id as u8);)*
        }

        pub(super) const NAMES: &[&[u8]] = &[$($name,)*];
        const FLAGS: &[u16] = &[$($flags,)*];

        /// `name` in lower case.
        pub(super) fn lookup(name: &[u8]) -> Option<Tag> {
            match name {
                $($name => Some(Tag::$id),)*
                _ => None,
            }
        }
    };
}

impl Tag {
    pub fn flags(self) -> u16 {
        FLAGS[usize::from(self.0)]
    }

    pub fn is(self, flag: u16) -> bool {
        self.flags() & flag != 0
    }
}

pub(super) const COUNT: usize = NAMES.len();

tags! {
    A b"a" ELEMENT | STYLE | URI,
    ABBR b"abbr" ELEMENT,
    ACRONYM b"acronym" ELEMENT,
    ADDRESS b"address" ELEMENT,
    APPLET b"applet" ELEMENT,
    AREA b"area" ELEMENT | URI | VOID,
    B b"b" ELEMENT,
    BASE b"base" ELEMENT | URI | VOID,
    BASEFONT b"basefont" ELEMENT | STYLE | VOID,
    BDO b"bdo" ELEMENT,
    BGSOUND b"bgsound" TRICK | URI | VOID,
    BIG b"big" ELEMENT | STYLE,
    BLOCKQUOTE b"blockquote" ELEMENT | PARAGRAPH,
    BODY b"body" ELEMENT | STYLE | URI,
    BR b"br" ELEMENT | LINE | VOID,
    BUTTON b"button" ELEMENT,
    CAPTION b"caption" ELEMENT,
    CENTER b"center" ELEMENT,
    CITE b"cite" ELEMENT,
    CODE b"code" ELEMENT,
    COL b"col" ELEMENT | VOID,
    COLGROUP b"colgroup" ELEMENT,
    DD b"dd" ELEMENT | BLANK,
    DEL b"del" ELEMENT,
    DFN b"dfn" ELEMENT,
    DIR b"dir" ELEMENT,
    DIV b"div" ELEMENT | STYLE | LINE,
    DL b"dl" ELEMENT,
    DT b"dt" ELEMENT | BLANK,
    EM b"em" ELEMENT,
    EMBED b"embed" TRICK | URI | BLANK | VOID,
    FIELDSET b"fieldset" ELEMENT,
    FONT b"font" ELEMENT | STYLE,
    FORM b"form" ELEMENT | URI,
    FRAME b"frame" ELEMENT | URI | VOID,
    FRAMESET b"frameset" ELEMENT,
    H1 b"h1" ELEMENT | BLANK,
    H2 b"h2" ELEMENT | BLANK,
    H3 b"h3" ELEMENT | BLANK,
    H4 b"h4" ELEMENT | BLANK,
    H5 b"h5" ELEMENT | BLANK,
    H6 b"h6" ELEMENT | BLANK,
    HEAD b"head" ELEMENT,
    HR b"hr" ELEMENT | PARAGRAPH | VOID,
    HTML b"html" ELEMENT,
    I b"i" ELEMENT,
    IFRAME b"iframe" ELEMENT | URI,
    IMG b"img" ELEMENT | URI | VOID,
    INPUT b"input" ELEMENT | VOID,
    INS b"ins" ELEMENT,
    ISINDEX b"isindex" ELEMENT | VOID,
    KBD b"kbd" ELEMENT,
    LABEL b"label" ELEMENT,
    LEGEND b"legend" ELEMENT,
    LI b"li" ELEMENT | BLANK,
    LINK b"link" ELEMENT | URI | VOID,
    LISTING b"listing" TRICK | PARAGRAPH,
    MAP b"map" ELEMENT,
    MENU b"menu" ELEMENT,
    META b"meta" ELEMENT | URI | VOID,
    NOBR b"nobr" ELEMENT,
    NOFRAMES b"noframes" ELEMENT,
    NOSCRIPT b"noscript" ELEMENT,
    OBJECT b"object" ELEMENT,
    OL b"ol" ELEMENT,
    OPTGROUP b"optgroup" ELEMENT,
    OPTION b"option" ELEMENT,
    P b"p" ELEMENT | STYLE | PARAGRAPH,
    PARAM b"param" ELEMENT | VOID,
    PLAINTEXT b"plaintext" TRICK | PARAGRAPH,
    PRE b"pre" ELEMENT | PARAGRAPH,
    Q b"q" ELEMENT,
    S b"s" ELEMENT,
    SAMP b"samp" ELEMENT,
    SCRIPT b"script" ELEMENT | URI,
    SELECT b"select" ELEMENT,
    SMALL b"small" ELEMENT | STYLE,
    SPAN b"span" ELEMENT | STYLE,
    STRIKE b"strike" ELEMENT,
    STRONG b"strong" ELEMENT,
    STYLE b"style" ELEMENT,
    SUB b"sub" ELEMENT,
    SUP b"sup" ELEMENT,
    TABLE b"table" ELEMENT | STYLE | URI,
    TBODY b"tbody" ELEMENT,
    TD b"td" ELEMENT | STYLE | URI | BLANK,
    TEXTAREA b"textarea" ELEMENT,
    TFOOT b"tfoot" ELEMENT,
    TH b"th" ELEMENT | STYLE | BLANK,
    THEAD b"thead" ELEMENT,
    TITLE b"title" ELEMENT | PARAGRAPH,
    TR b"tr" ELEMENT | STYLE | URI,
    TT b"tt" ELEMENT,
    U b"u" ELEMENT,
    UL b"ul" ELEMENT,
    VAR b"var" ELEMENT,
    X_SIGSEP b"x-sigsep" ELEMENT,
    X_TAB b"x-tab" ELEMENT,
    XMP b"xmp" TRICK | PARAGRAPH,
    // Unknown to SpamAssassin; here because readers' programs know them.
    ARTICLE b"article" 0,
    FOOTER b"footer" 0,
    HEADER b"header" 0,
    MAIN b"main" 0,
    MARK b"mark" 0,
    NAV b"nav" 0,
    SECTION b"section" 0,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_itself() {
        for (i, name) in NAMES.iter().enumerate() {
            assert_eq!(lookup(name), Some(Tag(i as u8)), "{}", String::from_utf8_lossy(name));
        }
        assert_eq!(lookup(b"marquee"), None);
    }
}
