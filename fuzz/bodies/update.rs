//! The notes on a model's versions, and a bundle's signature, of any content.

use vlunet::update::{Signature, State, TrustedComment};

pub fn body(data: &[u8]) {
    match Signature::parse(data) {
        Ok(signature) => {
            // What was understood can be written down, and is the same then.
            let comment = signature.comment();
            assert_eq!(TrustedComment::parse(&comment.to_string()).as_ref(), Ok(comment));
        }
        Err(reason) => assert_one_line(&reason),
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(reason) = TrustedComment::parse(text) {
        assert_one_line(&reason);
    }
    match State::parse(text, "state.toml") {
        Ok(state) => {
            let written = state.to_toml().unwrap();
            assert_eq!(State::parse(&written, "again").unwrap(), state, "{written}");
        }
        Err(error) => assert_one_line(&error.to_string()),
    }
}

fn assert_one_line(message: &str) {
    assert!(!message.contains(char::is_control), "{message:?}");
}
