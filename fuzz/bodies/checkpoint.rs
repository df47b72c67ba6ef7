//! A file of weights, of any content.

use std::io::Write;
use tempfile::NamedTempFile;
use vlunet::weights::{Checkpoint, read_restorer, read_vlm};
use vlunet::{Error, Result};

pub fn body(data: &[u8]) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(data).unwrap();
    match Checkpoint::open(file.path()) {
        Ok(checkpoint) => {
            for name in checkpoint.shapes().unwrap().keys() {
                check(checkpoint.read(name));
            }
            check(read_restorer(&checkpoint));
            check(read_vlm(&checkpoint));
        }
        Err(error) => assert_one_line(&error),
    }
}

fn check<T>(outcome: Result<T>) {
    if let Err(error) = outcome {
        assert_one_line(&error);
    }
}

fn assert_one_line(error: &Error) {
    let message = error.to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
}
