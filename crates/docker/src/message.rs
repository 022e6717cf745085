//! Protocol buffers, as far as a BuildKit session and its progress need them: fields by number, on the
//! wire format (protobuf.dev, "Encoding").

use shipway_core::{Error, Result};

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }

    pub(crate) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// Returns the fields of a message, each with its number.
pub(crate) fn fields(mut message: &[u8]) -> Result<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => Value::Bytes(take(&mut message, 8)?),
            2 => {
                let length = varint(&mut message)?;
                Value::Bytes(take(&mut message, length)?)
            }
            5 => Value::Bytes(take(&mut message, 4)?),
            _ => return Err(wrong()),
        };
        fields.push((key >> 3, value));
    }
    Ok(fields)
}

/// Returns the first field with this number, as bytes.
pub(crate) fn field(message: &[u8], number: u64) -> Result<&[u8]> {
    let found = fields(message)?.into_iter().find(|(one, _)| *one == number);
    Ok(found.map_or(&[], |(_, value)| value.bytes()))
}

/// Adds a field of bytes to a message.
pub(crate) fn put(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        message.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(bytes);
}

fn varint(message: &mut &[u8]) -> Result<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().ok_or_else(wrong)?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(wrong())
}

fn take<'a>(message: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).ok().filter(|length| *length <= message.len()).ok_or_else(wrong)?;
    let (bytes, rest) = message.split_at(length);
    *message = rest;
    Ok(bytes)
}

fn wrong() -> Error {
    Error::bad_output("the engine's message has a wrong form")
}

/// Returns the bytes of a text in base64 (RFC 4648, section 4).
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0_u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let symbol = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong()),
        };
        group = group << 6 | u32::from(symbol);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits) as u8);
            group &= (1 << bits) - 1;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_and_what_is_cut_is_an_error() {
        let mut message = vec![0x20, 0x96, 0x01];
        put(&mut message, 3, b"name");
        put(&mut message, 1, &[7; 300]);
        let read = fields(&message).unwrap();
        assert_eq!(read[0], (4, Value::Number(150)));
        assert_eq!((read[1].0, read[1].1.text()), (3, "name".to_owned()));
        assert_eq!(field(&message, 1).unwrap(), [7; 300]);
        for cut in [1, 2, 4, 6, 12] {
            assert!(fields(&message[..cut]).is_err(), "{cut}");
        }
        assert!(fields(&[0xff; 11]).is_err());
        assert_eq!(from_base64("Zm9vYg==").unwrap(), b"foob");
        assert!(from_base64("a-b").is_err());
    }
}
