use bouncesift::report::views;
use bouncesift::table::parquet;
use bouncesift::table::{Column, ColumnData, Table};

use super::double::*;
use super::writers::{HOSTILE, every_type};

fn bytes(table: &Table) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    parquet::write_file(table, &path).unwrap();
    std::fs::read(&path).unwrap()
}

fn there_and_back(table: &Table) -> Table {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    parquet::write_file(table, &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes(table));
    parquet::read(&path).unwrap()
}

#[test]
fn every_type_comes_back() {
    let table = every_type(HOSTILE);
    assert_eq!(there_and_back(&table), table);
}

#[test]
fn no_rows_come_back() {
    for table in views::all(input(&[], &[], &[]), &Double).unwrap() {
        let back = there_and_back(&table);
        let shape = |t: &Table| {
            t.columns().iter().map(|c| (c.name.clone(), c.doc.clone(), c.data.type_name())).collect::<Vec<_>>()
        };
        assert_eq!((back.name(), back.rows(), shape(&back)), (table.name(), 0, shape(&table)));
    }
}

#[test]
fn same_table_same_bytes() {
    let many = Column::new("n", "A count.", ColumnData::Int64((0..parquet::ROW_GROUP_ROWS as i64 + 3).collect()));
    let table = Table::new("t", vec![many]).unwrap();
    assert_eq!(bytes(&table), bytes(&table));
    assert_eq!(there_and_back(&table), table);
}

#[test]
fn other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    assert!(parquet::read(&path).unwrap_err().to_string().contains("t.parquet: "));
    std::fs::write(&path, b"PAR1 this is none PAR1").unwrap();
    assert!(parquet::read(&path).unwrap_err().to_string().contains("t.parquet: "));
    let mut cut = bytes(&every_type(&["x"]));
    cut.truncate(cut.len() / 2);
    std::fs::write(&path, cut).unwrap();
    assert!(parquet::read(&path).is_err());
    std::fs::write(&path, b"").unwrap();
    assert!(parquet::read(&path).is_err());
}
