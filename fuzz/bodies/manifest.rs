//! A packed bundle of any content, and a bundle with any manifest.

use vlunet::Error;
use vlunet::bundle::Bundle;

pub fn body(data: &[u8]) {
    open(data);
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(data.len() as u64);
    archive.append_data(&mut header, "manifest.toml", data).unwrap();
    open(&archive.into_inner().unwrap());
}

fn open(archive: &[u8]) {
    let bundle = match Bundle::from_archive(archive, "fuzz.vlu") {
        Ok(bundle) => bundle,
        Err(error) => return assert_one_line(&error),
    };
    match bundle.verify() {
        // What is whole can be packed again, and is the same then.
        Ok(()) => {
            let packed = bundle.to_archive().unwrap();
            let again = Bundle::from_archive(&packed, "again.vlu").unwrap();
            assert_eq!(again.manifest(), bundle.manifest());
            again.verify().unwrap();
        }
        Err(error) => assert_one_line(&error),
    }
}

fn assert_one_line(error: &Error) {
    let message = error.to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
}
