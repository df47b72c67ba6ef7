//! PSNR and SSIM, against the reference implementation's.

mod support;

use support::golden;
use vlunet::eval::metrics::{psnr, ssim};
use vlunet::picture::{Limits, Picture};

#[test]
fn metrics_equal_the_references() {
    let Some(path) = golden("metrics.json") else { return };
    let reference: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let open = |name: &serde_json::Value| {
        let path = golden(name.as_str().unwrap()).unwrap();
        Picture::open(&path, &Limits::default()).unwrap().planes
    };
    let target = open(&reference["target"]);
    let cases = reference["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let picture = open(&case["file"]);
        let found = (psnr(picture.view(), target.view()), ssim(picture.view(), target.view()));
        let expected = (case["psnr_db"].as_f64().unwrap(), case["ssim"].as_f64().unwrap());
        println!("{}: PSNR, SSIM {found:?}, reference {expected:?}", case["file"]);
        assert!((found.0 - expected.0).abs() < 1e-4, "{case}: {found:?}");
        assert!((found.1 - expected.1).abs() < 1e-5, "{case}: {found:?}");
    }
}
