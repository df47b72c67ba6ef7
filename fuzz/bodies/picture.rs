//! A picture file of any content.

use vlunet::picture::{Limits, Picture};

const LIMITS: Limits = Limits { max_pixels: 1 << 20, max_side: 8192, max_alloc: 64 << 20 };

pub fn body(data: &[u8]) {
    match Picture::decode(data, "fuzz".as_ref(), &LIMITS) {
        Ok(picture) => {
            assert!((picture.width() * picture.height()) as u64 <= LIMITS.max_pixels);
            assert!(picture.planes.iter().all(|value| (0.0..=1.0).contains(value)));
            let alpha = picture.alpha.iter().flatten();
            assert!(alpha.copied().all(|value| (0.0..=1.0).contains(&value)));
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(char::is_control), "{message:?}");
            // A decoder's panic, caught.
            assert!(!message.contains("its decoder can't handle"), "{message}");
        }
    }
}
