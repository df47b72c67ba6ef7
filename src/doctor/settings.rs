//! The configuration file.

use super::{Check, Options};
use crate::config::{Config, DEFAULT_PATH};

pub(super) fn check(options: &Options) -> (Config, Check) {
    const NAME: &str = "configuration";
    let path = options.config.clone().unwrap_or_else(|| options.at(DEFAULT_PATH));
    if options.config.is_none() && !path.exists() {
        return (Config::default(), Check::skip(NAME, format!("there is no {DEFAULT_PATH}")));
    }
    match Config::load(&path) {
        Ok(config) => (config, Check::ok(NAME, format!("{} is sound", path.display()))),
        Err(e) => {
            let advice = "correct it; board/vlunet.toml is an example with every key";
            (Config::default(), Check::fail(NAME, e.to_string(), advice))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::machine;
    use super::*;

    #[test]
    fn the_services_file_is_read_where_it_is_there() {
        let (_root, options) = machine(&[]);
        assert_eq!(check(&options).1.verdict, Verdict::Skip);
        let (_root, options) = machine(&[("etc/vlunet/vlunet.toml", "fps = 12")]);
        let (config, verdict) = check(&options);
        assert_eq!((config.fps, verdict.verdict), (Some(12.0), Verdict::Ok));
        let (_root, mut options) = machine(&[("etc/vlunet/vlunet.toml", "fsp = 12")]);
        let failed = check(&options).1;
        assert!(failed.verdict == Verdict::Fail && failed.found.contains("line 1"), "{failed:?}");
        options.config = Some(options.at("no/such.toml"));
        assert_eq!(check(&options).1.verdict, Verdict::Fail);
    }
}
