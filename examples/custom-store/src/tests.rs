//! What the file holds is not always what was written.

use super::*;

#[tokio::test]
async fn a_row_that_does_not_read_back_is_an_error_and_not_absent() {
    let folder = tempfile::tempdir().unwrap();
    let store = Redb::open(&folder.path().join("store.redb")).unwrap();
    let key = Key::new(Kind::Client, "c");
    let fifteen_bytes = [7_u8; 15];
    let written = write(&store.0, |tables| {
        let columns = (&fifteen_bytes[..], false, "{}", None, None, None, None, None);
        tables.records.insert((key.kind.as_str(), key.id.as_str()), columns)?;
        Ok(())
    });
    assert!(written.is_ok());
    let look = Look { record: key.clone(), beside: None };
    let answers = [
        store.read(&key).await.map(|_| ()),
        store.look(&look).await.map(|_| ()),
        store.list(Kind::Client, Filter::All, None, 10).await.map(|_| ()),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Damaged { kind: "client", .. })), "{answer:?}");
    }
}
