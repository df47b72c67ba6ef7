//! A Y4M stream of any content.

use vlunet::frame::Frame;
use vlunet::source::y4m::Y4mReader;

const MAX_PIXELS: usize = 1 << 16;

pub fn body(data: &[u8]) {
    let outcome = Y4mReader::open(data, MAX_PIXELS).and_then(|mut reader| {
        let (width, height) = reader.size();
        let pixels = width as usize * height as usize;
        assert!((1..=MAX_PIXELS).contains(&pixels));
        assert!(reader.fps().is_none_or(|fps| fps.is_finite() && fps > 0.0));
        let mut frame = Frame::black(0, 0);
        while reader.read(&mut frame)? {
            assert_eq!((frame.width, frame.height, frame.rgb.len()), (width, height, 3 * pixels));
        }
        Ok(())
    });
    if let Err(error) = outcome {
        let message = error.to_string();
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}
