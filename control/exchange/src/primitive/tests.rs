use super::*;

#[test]
fn sizes_are_those_of_the_standards() {
    for backend in Backend::ALL {
        for set in KemSet::ALL {
            let keys = backend.kem().keypair(set).unwrap();
            assert_eq!((keys.public.len(), keys.secret.len()), (set.public_len(), set.secret_len()));
            let sent = backend.kem().encapsulate(set, &keys.public).unwrap();
            assert_eq!((sent.ciphertext.len(), sent.shared.len()), (set.ciphertext_len(), SHARED_SECRET_LEN));
        }
        for set in DsaSet::ALL {
            let key = backend.signatures().key(set, &fresh_seed().unwrap()).unwrap();
            assert_eq!(key.public().len(), set.public_len());
            assert_eq!(key.sign(b"m").unwrap().len(), set.signature_len());
        }
    }
}

#[test]
fn keys_are_not_printed() {
    for backend in Backend::ALL {
        let keys = backend.kem().keypair(KemSet::MlKem768).unwrap();
        assert!(format!("{keys:?}").ends_with("secret: Secret(2400 bytes) }"));
        let key = backend.signatures().key(DsaSet::MlDsa44, &fresh_seed().unwrap()).unwrap();
        assert_eq!(format!("{key:?}"), "Key { set: MlDsa44, .. }");
    }
}

#[test]
fn a_seed_of_another_length_is_refused() {
    for backend in Backend::ALL {
        let short = Secret::copied(&[1; 31]);
        assert!(backend.signatures().key(DsaSet::MlDsa65, &short).is_err());
        assert!(backend.kem().keypair_of(KemSet::MlKem512, &short).is_err());
    }
}

#[test]
fn backends_are_chosen_by_name() {
    assert_eq!("aws-lc".parse(), Ok(Backend::AwsLc));
    assert_eq!("liboqs".parse(), Ok(Backend::Liboqs));
    assert_eq!("openssl".parse::<Backend>(), Err(UnknownBackend));
}
