//! The Arrow schema that a Parquet file carries, with string views made plain strings.
//!
//! The schema is a flatbuffer (Arrow's `Message.fbs` and `Schema.fbs`) behind eight bytes of prefix, in base64. Both
//! types are tables without fields, so changing a column's type is changing one byte. Anything unexpected gives `None`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `Type.Utf8View` and `Type.LargeUtf8` of `Schema.fbs`.
const UTF8_VIEW: u8 = 24;
const LARGE_UTF8: u8 = 20;

/// Fields of the tables on the way, by their number.
const MESSAGE_HEADER: usize = 2;
const SCHEMA_FIELDS: usize = 1;
const FIELD_TYPE_TYPE: usize = 2;

/// Continuation mark and length.
const PREFIX: usize = 8;

/// The schema with `large_string` in place of `string_view`; only for schemas without nested columns.
pub(super) fn with_plain_strings(schema: &str) -> Option<String> {
    let mut bytes = STANDARD.decode(schema).ok()?;
    for place in type_bytes(bytes.get(PREFIX..)?)? {
        let byte = bytes.get_mut(PREFIX + place)?;
        if *byte == UTF8_VIEW {
            *byte = LARGE_UTF8;
        }
    }
    Some(STANDARD.encode(bytes))
}

/// Where each column's type byte stands.
fn type_bytes(buffer: &[u8]) -> Option<Vec<usize>> {
    let message = follow(buffer, 0)?;
    let schema = follow(buffer, field(buffer, message, MESSAGE_HEADER)?)?;
    let columns = follow(buffer, field(buffer, schema, SCHEMA_FIELDS)?)?;
    let count = u32_at(buffer, columns)?;
    // A damaged count cannot lead beyond the buffer: the first step that does ends the walk.
    let column = |i: usize| field(buffer, follow(buffer, columns + 4 + 4 * i)?, FIELD_TYPE_TYPE);
    (0..count).map(column).collect()
}

/// Where field `number` of the table at `table` stands; `None` where the table leaves it out.
fn field(buffer: &[u8], table: usize, number: usize) -> Option<usize> {
    let back = i32::from_le_bytes(buffer.get(table..table.checked_add(4)?)?.try_into().ok()?);
    let vtable = usize::try_from(i64::try_from(table).ok()? - i64::from(back)).ok()?;
    let entry = 4 + 2 * number;
    let offset = u16_at(buffer, vtable + entry).filter(|_| usize::from(u16_at(buffer, vtable).unwrap_or(0)) > entry)?;
    (offset != 0).then_some(table + usize::from(offset))
}

/// Where the offset at `place` points.
fn follow(buffer: &[u8], place: usize) -> Option<usize> {
    place.checked_add(u32_at(buffer, place)?)
}

fn u32_at(buffer: &[u8], place: usize) -> Option<usize> {
    let bytes = buffer.get(place..place.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

fn u16_at(buffer: &[u8], place: usize) -> Option<u16> {
    let bytes = buffer.get(place..place.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

/// The type byte of each column, to look at what was written.
#[cfg(test)]
pub(super) fn types(schema: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(schema).ok()?;
    let buffer = bytes.get(PREFIX..)?;
    type_bytes(buffer)?.into_iter().map(|place| buffer.get(place).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_ends_the_walk() {
        for bytes in [&[][..], &[0; 7], &[0xff; 64], &[0; 64], &[1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]] {
            let _ = with_plain_strings(&STANDARD.encode(bytes));
        }
        assert_eq!(with_plain_strings("no base64!"), None);
    }
}
