//! A shard of any content.

use vlunet::train::data::{ShardLimits, read_shard};

const LIMITS: ShardLimits = ShardLimits { members: 64, member_bytes: 1 << 20, bytes: 4 << 20 };

pub fn body(data: &[u8]) {
    match read_shard(data, "fuzz.tar".as_ref(), &LIMITS) {
        Ok(members) => {
            assert!(members.len() <= LIMITS.members);
            for member in &members {
                assert!(member.bytes.len() <= data.len());
                assert!(!member.key.is_empty() && !member.key.contains(['/', '.']), "{:?}", member.key);
                assert!(!member.set.contains(char::is_control), "{:?}", member.set);
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
}
