//! The header block of a tar entry, read as Go's `archive/tar` reads it (reader.go, `readHeader`;
//! strconv.go, `parseNumeric`).

/// The size of a tar block.
pub(super) const BLOCK: usize = 512;

/// What a header block says. Texts are as they are written, without what comes after a NUL.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) path: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: i64,
    pub(super) mode: i64,
    pub(super) uid: i64,
    pub(super) gid: i64,
    /// Major and minor number.
    pub(super) device: (i64, i64),
}

impl Header {
    /// Reads a block; the error says what is wrong with it.
    pub(super) fn read(block: &[u8; BLOCK]) -> Result<Self, &'static str> {
        check_sum(block)?;
        let number = |from: usize, to: usize| number(&block[from..to]).ok_or("has a number that is none");
        let mut header = Self {
            kind: block[156],
            path: text(&block[..100]).to_vec(),
            link: text(&block[157..257]).to_vec(),
            size: number(124, 136)?,
            mode: number(100, 108)?,
            uid: number(108, 116)?,
            gid: number(116, 124)?,
            device: (0, 0),
        };
        number(136, 148)?;
        let (ustar, gnu) = (&block[257..263] == b"ustar\0", &block[257..265] == b"ustar  \0");
        if !ustar && !gnu {
            return Ok(header);
        }
        header.device = (number(329, 337)?, number(337, 345)?);
        let prefix = if gnu {
            // Two times are here. But Go itself once wrote a prefix, and still reads one where they are no
            // times (golang.org/issue/21005).
            let is_time = |field: &[u8]| field[0] == 0 || self::number(field).is_some();
            let prefix = text(&block[345..500]);
            let times = is_time(&block[345..357]) && is_time(&block[357..369]);
            if times || !prefix.is_ascii() { &[] } else { prefix }
        } else if &block[508..] == b"tar\0" {
            // star has a shorter one, and two times.
            number(476, 488)?;
            number(488, 500)?;
            text(&block[345..476])
        } else {
            text(&block[345..500])
        };
        if !prefix.is_empty() {
            header.path = [prefix, b"/", &header.path].concat();
        }
        Ok(header)
    }
}

/// Checks the sum (POSIX, pax, "ustar Interchange Format"): it counts its own field as spaces, and some
/// old tars took bytes for signed.
fn check_sum(block: &[u8; BLOCK]) -> Result<(), &'static str> {
    let said = octal(&block[148..156]);
    let bytes =
        || block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { b' ' } else { byte });
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if said == Some(unsigned) || said == Some(signed) { Ok(()) } else { Err("has a header with a wrong sum") }
}

/// Reads a number, which is octal, or in base 256 and two's complement where the first bit is set.
fn number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        return octal(field);
    }
    let inverted = if first & 0x40 != 0 { 0xff } else { 0 };
    let mut number = i64::from((first ^ inverted) & 0x7f);
    for byte in rest {
        number = number.checked_mul(256)?.checked_add(i64::from(byte ^ inverted))?;
    }
    Some(if inverted == 0 { number } else { !number })
}

/// Reads an octal number, which is 0 where there is none.
fn octal(field: &[u8]) -> Option<i64> {
    let is_filler = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(from) = field.iter().position(|byte| !is_filler(byte)) else { return Some(0) };
    let to = field.iter().rposition(|byte| !is_filler(byte))?;
    let digits = text(&field[from..=to]);
    // Twelve digits at most, so that it fits.
    digits.iter().try_fold(0, |number, &digit| match digit {
        b'0'..=b'7' => Some(number * 8 + i64::from(digit - b'0')),
        _ => None,
    })
}

/// Returns text up to the first NUL.
pub(super) fn text(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len())]
}
