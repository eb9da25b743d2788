use super::*;

/// The example of RFC 7677, section 3.
#[test]
fn the_example_of_the_rfc_is_understood() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let iterations = NonZeroU32::new(4096).unwrap();
    let verifier = Verifier::of(ScramHash::Sha256, b"pencil", salt, iterations);
    let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                   r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                   s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                   c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    let own = verifier.answer(message.as_bytes(), &proof.unwrap());
    assert_eq!(
        STANDARD.encode(own.unwrap()),
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    );
}

#[test]
fn its_text_is_read_again_and_shows_no_password() {
    for hash in [ScramHash::Sha256, ScramHash::Sha512] {
        let made = Verifier::make(hash, b"secret").unwrap();
        let text = made.to_string();
        assert!(
            text.starts_with(&format!("{}$32768:", hash.method())),
            "{text}"
        );
        let read = Verifier::parse(&text).unwrap();
        assert!(read == made);
        assert!(read.verifies(b"secret") && !read.verifies(b"Secret"));
        assert!(Verifier::make(hash, b"secret").unwrap() != made);
    }
}

#[test]
fn nothing_proves_a_decoy() {
    let decoy = Verifier::decoy(ScramHash::Sha256, &[7; 32]);
    assert_eq!(decoy.salt.len(), SALT_BYTES);
    for proof in [&[][..], &[0; 32], &[0; 31], &[0; 64]] {
        assert!(decoy.answer(b"message", proof).is_none());
    }
    let key = (decoy.salt.as_slice(), decoy.iterations);
    let (proof, _) = client::proof(ScramHash::Sha256, b"", key, b"message");
    assert!(decoy.answer(b"message", &proof).is_none());
}
