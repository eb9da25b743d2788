//! Authorities and certificates that a test makes for itself.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(86_400);

/// An authority, with everything that it made in one directory.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
    serial: Cell<u64>,
}

impl Authority {
    /// Its own certificate is `ca.pem`.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "Authority of a test");
        let key = KeyPair::generate().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            directory,
            serial: Cell::new(1),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a file that it made.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Makes `server.pem` and `server-key.pem`, for 127.0.0.1 and localhost; gives its serial number.
    pub(crate) fn server(&self) -> u64 {
        let names = ["localhost", "127.0.0.1"].map(String::from);
        let params = CertificateParams::new(names).unwrap();
        self.sign("server", params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Makes the certificate of a client, named after its Common Name; gives its serial number.
    pub(crate) fn client(&self, name: &str) -> u64 {
        let params = CertificateParams::default();
        self.sign(name, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        name: &str,
        mut params: CertificateParams,
        use_: ExtendedKeyUsagePurpose,
    ) -> u64 {
        let serial = self.serial.get() + 1;
        self.serial.set(serial);
        params.serial_number = Some(serial.into());
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![use_];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write(&format!("{name}-key.pem"), &key.serialize_pem());
        self.write(&format!("{name}.pem"), &certificate.pem());
        serial
    }

    /// Makes `crl.pem`, which revokes these.
    pub(crate) fn revoke(&self, serials: &[u64]) {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let now = date_time_ymd(1970, 1, 1) + now;
        let list = CertificateRevocationListParams {
            this_update: now - DAY,
            next_update: now + DAY,
            crl_number: SerialNumber::from(serials.len() as u64 + 1),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: (*serial).into(),
                    revocation_time: now - DAY,
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap();
        self.write("crl.pem", &list.pem().unwrap());
    }

    /// In one step, as those do who replace certificates under a broker that runs.
    fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let part = self.directory.path().join(format!("{name}.part"));
        std::fs::write(&part, text).unwrap();
        std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(part, self.directory.path().join(name)).unwrap();
    }
}
