//! JSON, pretty-printed, all ASCII: characters beyond it and DEL are written `\uXXXX`, so that a terminal may show it.

use std::io::{self, Write};
use std::path::Path;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};

use super::error::ReportError;
use super::time;
use super::{Table, Value};

/// The largest whole number that every JSON reader keeps exact.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// A count: a number, or a string of digits where a JSON reader might round it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 <= MAX_EXACT { serializer.serialize_u64(self.0) } else { serializer.collect_str(&self.0) }
    }
}

/// Writes any value to `out`, which is named `path` in errors, with a line feed at its end.
///
/// # Errors
/// [`ReportError::Io`] where `out` refuses.
pub fn write(value: &impl Serialize, mut out: impl Write, path: &Path) -> Result<(), ReportError> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Ascii(PrettyFormatter::new()));
    value.serialize(&mut serializer).map_err(|e| ReportError::io(path, e.into()))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(|e| ReportError::io(path, e))
}

/// A table as an array of one object a row; nulls are written out.
pub struct Rows<'a>(pub &'a Table);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.0.rows()))?;
        for row in 0..self.0.rows() {
            rows.serialize_element(&Row(self.0, row))?;
        }
        rows.end()
    }
}

struct Row<'a>(&'a Table, usize);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = self.0.columns();
        let mut object = serializer.serialize_map(Some(columns.len()))?;
        for column in columns {
            object.serialize_entry(&column.name, &Cell(column.data.value(self.1).unwrap_or(Value::Null)))?;
        }
        object.end()
    }
}

struct Cell<'a>(Value<'a>);

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Date(days) => serializer.serialize_str(&time::date(days)),
            Value::Str(text) => serializer.serialize_str(text),
            Value::Int(n) if n.unsigned_abs() <= MAX_EXACT => serializer.serialize_i64(n),
            Value::Int(n) => serializer.collect_str(&n),
            Value::Float(x) => serializer.serialize_f64(x),
            Value::Timestamp(micros) => serializer.serialize_str(&time::timestamp(micros)),
            Value::Bool(flag) => serializer.serialize_bool(flag),
        }
    }
}

/// The pretty formatter, with all text in ASCII.
struct Ascii(PrettyFormatter<'static>);

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0; 2];
        for c in fragment.chars() {
            if c.is_ascii() && c != '\u{7f}' {
                out.write_all(&[c as u8])?;
                continue;
            }
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        self.0.write_char_escape(out, escape)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}
