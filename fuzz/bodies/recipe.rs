//! A recipe of any content.

use vlunet::train::recipe::Recipe;

pub fn body(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Recipe::parse(text) {
        // What can be read can be noted down, and is the same then.
        Ok(recipe) => {
            assert!(recipe.largest_patch() > 0);
            for step in [0, recipe.steps / 2, recipe.steps, u64::MAX] {
                recipe.phase(step, recipe.steps);
                assert!(recipe.rate.rate(step, recipe.steps).is_finite());
            }
            let noted = recipe.to_toml().unwrap();
            assert_eq!(Recipe::parse(&noted).unwrap(), recipe, "{noted}");
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
}
