//! The alignment in a GGUF header, checked before candle reads the header, since candle divides by it.

use std::io::{BufReader, Error, ErrorKind, Read, Result, Seek};

/// Arrays of arrays go no deeper in a file that candle reads.
const DEPTH: usize = 64;

/// `general.alignment` of a header, where it is a 4-byte number as the format says; the reader ends anywhere.
///
/// # Errors
/// If the header ends early or is none.
pub fn alignment<R: Read + Seek>(reader: &mut BufReader<R>) -> Result<Option<u32>> {
    let mut header = Header { reader, long: true };
    header.skip(4)?;
    header.long = header.number(4)? != 1;
    let (_tensors, entries) = (header.length()?, header.length()?);
    for _ in 0..entries {
        let length = header.length()?;
        let mut key = Vec::new();
        // A key that is longer than any known one is not kept.
        header.reader.take(length.min(64)).read_to_end(&mut key)?;
        header.skip(length.saturating_sub(64))?;
        let kind = header.number(4)?;
        if key == b"general.alignment" && matches!(kind, UINT32 | INT32) {
            return Ok(Some(header.number(4)? as u32));
        }
        header.skip_value(kind, 0)?;
    }
    Ok(None)
}

const UINT32: u64 = 4;
const INT32: u64 = 5;

struct Header<'a, R> {
    reader: &'a mut BufReader<R>,
    /// Lengths take 8 bytes, since version 2.
    long: bool,
}

impl<R: Read + Seek> Header<'_, R> {
    fn number(&mut self, bytes: usize) -> Result<u64> {
        let mut number = [0; 8];
        self.reader.read_exact(&mut number[..bytes])?;
        Ok(u64::from_le_bytes(number))
    }

    fn length(&mut self) -> Result<u64> {
        self.number(if self.long { 8 } else { 4 })
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        let bytes = i64::try_from(bytes).map_err(|_| Error::from(ErrorKind::InvalidData))?;
        self.reader.seek_relative(bytes)
    }

    fn skip_value(&mut self, kind: u64, depth: usize) -> Result<()> {
        match kind {
            8 => {
                let length = self.length()?;
                self.skip(length)
            }
            9 if depth < DEPTH => {
                let (kind, count) = (self.number(4)?, self.length()?);
                if let Some(size) = size(kind) {
                    return self.skip(count.saturating_mul(size));
                }
                (0..count).try_for_each(|_| self.skip_value(kind, depth + 1))
            }
            _ => match size(kind) {
                Some(size) => self.skip(size),
                None => Err(ErrorKind::InvalidData.into()),
            },
        }
    }
}

/// Bytes of a value of fixed size.
fn size(kind: u64) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        UINT32 | INT32 | 6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}
