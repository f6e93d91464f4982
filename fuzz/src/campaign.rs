//! Campaign files, and what layers reply.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    coincide_stress::fuzz_replies(data);
    if let Ok(file) = coincide_stress::CampaignFile::parse("fuzz/campaign.toml", data.to_vec()) {
        let _ = file.chains();
    }
});
