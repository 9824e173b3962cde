//! JSON as Python writes it: `{"a": 1, "b": [2, 3]}`.
//!
//! Chat templates were written and trained with Python's `json.dumps`; another spacing would be
//! other tokens. (The template engine's own `tojson` also escapes for HTML, which is worse.)

use std::io::{self, Write};

use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// The `tojson` filter of chat templates: on one line, or indented by this many spaces.
///
/// # Errors
/// If the value has no JSON form.
pub(crate) fn tojson(value: &Value, indent: Option<usize>) -> Result<Value, Error> {
    let written = match indent {
        Some(width) => {
            let spaces = vec![b' '; width];
            write(value, PrettyFormatter::with_indent(&spaces))
        }
        None => python(value),
    };
    written
        .map(Value::from_safe_string)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "the value has no JSON form").with_source(error))
}

/// A value on one line.
///
/// # Errors
/// If it has no JSON form.
pub(crate) fn python(value: &impl Serialize) -> Result<String, serde_json::Error> {
    write(value, PythonFormatter)
}

fn write(value: &impl Serialize, formatter: impl Formatter) -> Result<String, serde_json::Error> {
    let mut out = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut out, formatter))?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// One line, with a space after each comma and colon.
struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        separate(out, first)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        separate(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

fn separate<W: ?Sized + Write>(out: &mut W, first: bool) -> io::Result<()> {
    if first { Ok(()) } else { out.write_all(b", ") }
}
