//! A configuration file, or a board's profile, of any content.

use vlunet::board::profile::Profile;
use vlunet::config::Config;

pub fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let outcomes = [
        // A board that is named by the path of a file is not followed: that reads the disk.
        (!text.contains("board")).then(|| Config::parse(text, "vlunet.toml").map(drop)),
        Some(Profile::parse(text, "board.toml").map(|profile| {
            for name in ["raspberrypi,4-model-b", "nvidia,p3768-0000+p3767-0005", "", "*", "äöü"] {
                profile.fits(name);
            }
        })),
    ];
    for error in outcomes.into_iter().flatten().filter_map(Result::err) {
        let message = error.to_string();
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}
