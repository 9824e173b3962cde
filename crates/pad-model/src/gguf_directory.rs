//! What a GGUF file says of itself: its metadata, which candle reads, and its tensors. Candle knows fewer tensor types than there are
//! and divides by the alignment before it looks at it, so it is given the metadata alone.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use pad_kernels::Encoding;

use crate::ModelError;
use crate::error::plain;

/// Arrays of arrays go no deeper in a file that candle reads.
const DEPTH: usize = 64;

/// A tensor has no more dimensions, ggml's `GGML_MAX_DIMS`.
const DIMENSIONS: u64 = 4;

/// Where the counts of tensors and of metadata entries lie in a file: behind the magic number and the version.
const COUNTS: usize = 8;

/// Alignment of the tensors where a file does not say.
const USUAL_ALIGNMENT: u64 = 32;

/// Types that no tensor here is read of, with ggml's numbers.
const OTHER_TYPES: [(u32, &str); 20] = [
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

/// A tensor as the file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufTensor {
    /// ggml's number of its type.
    pub number: u32,
    /// Its dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Where its bytes begin in the file.
    pub start: u64,
}

impl GgufTensor {
    /// How its values are kept.
    ///
    /// # Errors
    /// Names the type if no tensor of it is read, and those that are.
    pub fn encoding(&self) -> std::result::Result<Encoding, String> {
        Encoding::from_gguf(self.number).ok_or_else(|| {
            let known = Encoding::ALL.map(|(_, _, name)| name).join(", ");
            let name = OTHER_TYPES.iter().find(|(number, _)| *number == self.number).map(|(_, name)| *name);
            let name = name.map_or_else(|| format!("number {}", self.number), str::to_owned);
            format!("its type {name} is not supported; supported are {known}")
        })
    }

    /// Bytes of its values; 0 if its type is not read.
    pub fn bytes(&self) -> usize {
        let values = self.shape.iter().fold(1_usize, |all, dim| all.saturating_mul(*dim));
        let (len, bytes) = self.encoding().map_or((1, 0), Encoding::block);
        (values / len).saturating_mul(bytes)
    }
}

/// The directory of a GGUF file.
#[derive(Debug)]
pub struct GgufDirectory {
    /// The metadata; tensors are not in it.
    pub content: Content,
    /// The tensors by name.
    pub tensors: HashMap<String, GgufTensor>,
}

impl GgufDirectory {
    /// Read what precedes the tensors' bytes.
    ///
    /// # Errors
    /// If the file cannot be read or is not a GGUF file, or its alignment is not a power of two.
    pub fn read(path: &Path) -> std::result::Result<Self, ModelError> {
        let refuse = |why: &dyn std::fmt::Display| ModelError::config(path, format!("not a readable GGUF file: {why}"));
        let mut file = File::open(path).map_err(ModelError::io(path))?;
        let layout = Layout::walk(&mut BufReader::new(&file)).map_err(|e| refuse(&e))?;
        if !layout.alignment.is_power_of_two() {
            let message = format!("general.alignment is {}; a power of two is allowed", layout.alignment);
            return Err(ModelError::config(path, message));
        }
        let mut metadata = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(ModelError::io(path))?;
        file.take(layout.metadata).read_to_end(&mut metadata).map_err(ModelError::io(path))?;
        metadata[COUNTS..COUNTS + layout.length].fill(0);
        let content = Content::read(&mut Cursor::new(metadata)).map_err(|e| refuse(&plain(&e)))?;
        Ok(Self { content, tensors: layout.tensors })
    }
}

/// Where things are in the file.
struct Layout {
    /// Bytes of a length, and of a count.
    length: usize,
    alignment: u64,
    /// Bytes before the first tensor's description.
    metadata: u64,
    tensors: HashMap<String, GgufTensor>,
}

impl Layout {
    fn walk<R: Read + Seek>(reader: &mut BufReader<R>) -> Result<Self> {
        let size = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        let mut header = Header { reader, length: 8 };
        let mut magic = [0; 4];
        header.reader.read_exact(&mut magic)?;
        let version = header.number(4)?;
        if &magic != b"GGUF" || !(1..=3).contains(&version) {
            let message = format!("it begins with {magic:?} and version {version}; \"GGUF\" and 1 to 3 are supported");
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        header.length = if version == 1 { 4 } else { 8 };
        let (tensors, entries) = (header.length()?, header.length()?);
        let mut alignment = USUAL_ALIGNMENT;
        for _ in 0..entries {
            let key = header.text()?;
            let kind = header.number(4)?;
            match size_of_kind(kind) {
                // Integers of up to 4 bytes, as many as candle takes; what is below 0 is no power of two.
                Some(bytes) if kind <= 5 && key == "general.alignment" => alignment = header.number(bytes as usize)?,
                _ => header.skip_value(kind, 0)?,
            }
        }
        let metadata = header.reader.stream_position()?;
        if metadata > size {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut all = HashMap::new();
        for _ in 0..tensors {
            let (name, tensor) = header.tensor()?;
            all.insert(name, tensor);
        }
        let end = header.reader.stream_position()?;
        let start = end.checked_next_multiple_of(alignment.max(1)).unwrap_or(end);
        all.values_mut().for_each(|tensor| tensor.start = tensor.start.saturating_add(start));
        Ok(Self { length: header.length, alignment, metadata, tensors: all })
    }
}

struct Header<'a, R> {
    reader: &'a mut BufReader<R>,
    /// Bytes of a length: 8 since version 2.
    length: usize,
}

impl<R: Read + Seek> Header<'_, R> {
    fn number(&mut self, bytes: usize) -> Result<u64> {
        let mut number = [0; 8];
        self.reader.read_exact(&mut number[..bytes])?;
        Ok(u64::from_le_bytes(number))
    }

    fn length(&mut self) -> Result<u64> {
        self.number(self.length)
    }

    fn text(&mut self) -> Result<String> {
        let (length, mut bytes) = (self.length()?, Vec::new());
        if self.reader.by_ref().take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        // Some writers end texts with zeros, which candle drops as well.
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }

    /// A tensor's description, its start counted from the first tensor's.
    fn tensor(&mut self) -> Result<(String, GgufTensor)> {
        let name = self.text()?;
        let dimensions = self.number(4)?;
        if dimensions > DIMENSIONS {
            let message = format!("tensor {name} has {dimensions} dimensions, at most {DIMENSIONS} are allowed");
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        let mut shape = (0..dimensions)
            .map(|_| Ok(usize::try_from(self.length()?).unwrap_or(usize::MAX)))
            .collect::<Result<Vec<_>>>()?;
        shape.reverse();
        Ok((name, GgufTensor { number: self.number(4)? as u32, shape, start: self.number(8)? }))
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
                if let Some(size) = size_of_kind(kind) {
                    return self.skip(count.saturating_mul(size));
                }
                (0..count).try_for_each(|_| self.skip_value(kind, depth + 1))
            }
            _ => match size_of_kind(kind) {
                Some(size) => self.skip(size),
                None => Err(Error::new(ErrorKind::InvalidData, format!("values of kind {kind} are not known"))),
            },
        }
    }
}

/// Bytes of a value of fixed size.
fn size_of_kind(kind: u64) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file of version 2 or 3 with an alignment of this kind and one tensor.
    fn file(magic: [u8; 4], version: u32, alignment: (u32, &[u8]), number: u32) -> tempfile::NamedTempFile {
        let mut bytes = magic.to_vec();
        bytes.extend(version.to_le_bytes());
        bytes.extend([1_u64, 1].map(u64::to_le_bytes).concat());
        let text = |bytes: &mut Vec<u8>, text: &str| {
            bytes.extend((text.len() as u64).to_le_bytes());
            bytes.extend(text.as_bytes());
        };
        text(&mut bytes, "general.alignment");
        bytes.extend(alignment.0.to_le_bytes());
        bytes.extend(alignment.1);
        text(&mut bytes, "t");
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend([64_u64, 3].map(u64::to_le_bytes).concat());
        bytes.extend(number.to_le_bytes());
        bytes.extend(128_u64.to_le_bytes());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn tensors_of_types_that_candle_does_not_know() {
        let file = file(*b"GGUF", 3, (4, &64_u32.to_le_bytes()), 20);
        let directory = GgufDirectory::read(file.path()).unwrap();
        let tensor = &directory.tensors["t"];
        // The header has 24 + 33 + 49 bytes; the tensors begin at 128.
        assert_eq!((tensor.encoding(), &tensor.shape[..], tensor.start), (Ok(Encoding::Iq4Nl), &[3, 64][..], 256));
        assert_eq!(tensor.bytes(), 3 * 2 * 18);
        assert_eq!(directory.content.metadata["general.alignment"].to_u32().unwrap(), 64);
    }

    #[test]
    fn types_that_are_not_read_are_named() {
        for (number, name) in [(16, "type IQ2_XXS"), (39, "type MXFP4"), (77, "type number 77")] {
            let file = file(*b"GGUF", 2, (4, &32_u32.to_le_bytes()), number);
            let tensor = &GgufDirectory::read(file.path()).unwrap().tensors["t"];
            let why = tensor.encoding().unwrap_err();
            assert!(why.contains(name) && why.contains("IQ4_XS"), "{why}");
            assert_eq!(tensor.bytes(), 0);
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let why = |file: &tempfile::NamedTempFile| GgufDirectory::read(file.path()).unwrap_err().to_string();
        for (kind, value) in [(0, &[0][..]), (1, &[3]), (4, &[0; 4]), (5, &[0xff; 4])] {
            let why = why(&file(*b"GGUF", 3, (kind, value), 0));
            assert!(why.contains("general.alignment is "), "{why}");
        }
        assert!(why(&file(*b"GGML", 3, (4, &[32, 0, 0, 0]), 0)).contains("it begins with"));
        assert!(why(&file(*b"GGUF", 4, (4, &[32, 0, 0, 0]), 0)).contains("version 4"));
        assert!(why(&file(*b"GGUF", 3, (13, &[32, 0, 0, 0]), 0)).contains("kind 13"));
    }
}
