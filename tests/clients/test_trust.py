"""The bundle: the user's and ours."""

import ssl

from wildsage.clients.trust import BUNDLE_VARIABLES, write_bundle

OWN = "-----BEGIN CERTIFICATE-----\nb3du\n-----END CERTIFICATE-----"
OTHER = "-----BEGIN CERTIFICATE-----\nb3RoZXI=\n-----END CERTIFICATE-----"
OURS = "-----BEGIN CERTIFICATE-----\nb3Vycw==\n-----END CERTIFICATE-----"


def test_it_holds_every_bundle_of_the_user_and_ours_once(tmp_path):
    first, second = tmp_path / "first.pem", tmp_path / "second.pem"
    first.write_text(f"# Company\n{OWN}\n{OTHER}\n")
    second.write_text(OWN.replace("\n", "\r\n"))
    environ = dict.fromkeys(BUNDLE_VARIABLES, str(first)) | {"SSL_CERT_FILE": str(second)}
    bundle = write_bundle(environ, OURS, tmp_path / "clients")
    assert bundle.read_text() == f"{OWN}\n{OTHER}\n{OURS}\n"
    assert bundle.stat().st_mode & 0o777 == 0o600


def test_a_tool_without_a_bundle_keeps_its_default(tmp_path, authority):
    own = tmp_path / "own.pem"
    own.write_text(OWN)
    content = write_bundle({"AWS_CA_BUNDLE": str(own)}, authority.certificate, tmp_path).read_text()
    assert OWN in content
    assert content.count("BEGIN CERTIFICATE") > 50
    assert content.rstrip().endswith(authority.certificate.rstrip())


def test_openssl_reads_it(tmp_path, authority):
    context = ssl.create_default_context(cafile=write_bundle({}, authority.certificate, tmp_path))
    assert any("Wildsage" in str(entry["subject"]) for entry in context.get_ca_certs())


def test_a_folder_of_certificates_is_read_as_requests_does(tmp_path):
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "1.pem").write_text(OWN)
    (folder / "sub").mkdir()
    environ = dict.fromkeys(BUNDLE_VARIABLES, str(folder))
    assert write_bundle(environ, OURS, tmp_path).read_text() == f"{OWN}\n{OURS}\n"


def test_an_absent_bundle_is_no_error(tmp_path):
    environ = dict.fromkeys(BUNDLE_VARIABLES, str(tmp_path / "absent.pem"))
    assert write_bundle(environ, OURS, tmp_path).read_text() == f"{OURS}\n"


def test_users_with_different_bundles_do_not_share_one(tmp_path):
    environ = dict.fromkeys(BUNDLE_VARIABLES, str(tmp_path / "absent.pem"))
    assert write_bundle(environ, OURS, tmp_path) == write_bundle(environ, OURS, tmp_path)
    assert write_bundle(environ, OURS, tmp_path) != write_bundle(environ, OTHER, tmp_path)
