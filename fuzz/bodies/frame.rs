//! A camera's buffer of any content, in every pixel format.

use vlunet::Error;
use vlunet::frame::{Colour, Layout, PixelFormat, Unpacker};

const SIZE: (u32, u32) = (24, 16);

pub fn body(data: &[u8]) {
    for format in PixelFormat::ALL {
        let layout = Layout::new(format, SIZE.0, SIZE.1, 0, Colour::WEBCAM).unwrap();
        let mut rgb = vec![0; 3 * (SIZE.0 * SIZE.1) as usize];
        match Unpacker::new(layout).unpack(data, &mut rgb) {
            Ok(()) => assert!(data.len() >= layout.bytes()),
            Err(error) => {
                let message = error.to_string();
                assert!(matches!(error, Error::Frame(_)), "{message}");
                assert!(!message.contains(char::is_control), "{message:?}");
                // A decoder's panic, caught.
                assert!(!message.contains("its decoder can't handle"), "{message}");
            }
        }
    }
}
