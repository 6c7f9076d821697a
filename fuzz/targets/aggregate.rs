//! DMARC's aggregate reports as strangers send them: no harm, and the limits hold.
#![no_main]
#![forbid(unsafe_code)]

use feeds::aggregate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for report in aggregate::read(data).into_iter().flatten() {
        assert!(report.rows.len() <= 200_000 && report.organisation.len() <= 2_000);
        for row in &report.rows {
            assert!(row.dkim_results.len() + row.spf_results.len() <= 100 && row.reasons.len() <= 100);
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let xml = format!("<feedback><record><row>{text}</row></record></feedback>");
        let _ = aggregate::parse(xml.as_bytes());
    }
});
