//! GGUF files made here: any header, true or false, and tensors in single precision or as bytes of any type.

pub mod convert;
pub mod llama;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A value of a header.
#[derive(Clone, Debug)]
pub enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
    Bools(Vec<bool>),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn write(&self, out: &mut Vec<u8>) {
        let kind = |out: &mut Vec<u8>, kind: u32| out.extend(kind.to_le_bytes());
        let list = |out: &mut Vec<u8>, of: u32, len: usize| {
            kind(out, 9);
            kind(out, of);
            out.extend((len as u64).to_le_bytes());
        };
        match self {
            Self::U32(v) => {
                kind(out, 4);
                out.extend(v.to_le_bytes());
            }
            Self::F32(v) => {
                kind(out, 6);
                out.extend(v.to_le_bytes());
            }
            Self::Bool(v) => {
                kind(out, 7);
                out.push(u8::from(*v));
            }
            Self::Text(v) => {
                kind(out, 8);
                text(out, v);
            }
            Self::Texts(v) => {
                list(out, 8, v.len());
                v.iter().for_each(|v| text(out, v));
            }
            Self::F32s(v) => {
                list(out, 6, v.len());
                out.extend(v.iter().flat_map(|v| v.to_le_bytes()));
            }
            Self::I32s(v) => {
                list(out, 5, v.len());
                out.extend(v.iter().flat_map(|v| v.to_le_bytes()));
            }
            Self::Bools(v) => {
                list(out, 7, v.len());
                out.extend(v.iter().map(|v| u8::from(*v)));
            }
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A file in the making.
#[derive(Clone, Debug, Default)]
pub struct GgufFile {
    pub metadata: Vec<(String, Value)>,
    /// Name, dimensions outermost first, values.
    pub tensors: Vec<(String, Vec<u64>, Vec<f32>)>,
    /// Of some of them, ggml's number of another type, and the bytes in place of the values.
    pub encoded: HashMap<String, (u32, Vec<u8>)>,
}

impl GgufFile {
    /// Set a value of the header, in place of one that is there.
    pub fn set(&mut self, key: &str, value: Value) {
        self.metadata.retain(|(known, _)| known != key);
        self.metadata.push((key.to_owned(), value));
    }

    /// Add a tensor, in place of one that is there.
    pub fn tensor(&mut self, name: &str, dims: &[u64], values: Vec<f32>) {
        self.tensors.retain(|(known, ..)| known != name);
        self.tensors.push((name.to_owned(), dims.to_vec(), values));
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut out, key);
            value.write(&mut out);
        }
        let single = |values: &[f32]| (0, values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let stored = |name: &String, values: &[f32]| self.encoded.get(name).cloned().unwrap_or_else(|| single(values));
        let mut body: Vec<u8> = Vec::new();
        for (name, dims, values) in &self.tensors {
            body.resize(body.len().next_multiple_of(32), 0);
            let (number, bytes) = stored(name, values);
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            out.extend(dims.iter().rev().flat_map(|dim| dim.to_le_bytes()));
            out.extend(number.to_le_bytes());
            out.extend((body.len() as u64).to_le_bytes());
            body.extend(bytes);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(body);
        out
    }

    pub fn write(&self, folder: &Path) -> PathBuf {
        let path = folder.join("model.gguf");
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}
