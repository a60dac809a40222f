"""Throw-away certificates: an authority, a server for localhost and 127.0.0.1, a client, and a client of another authority."""
import subprocess


def make(folder):
    """Writes ca, server, client and stranger as .crt and .key into the folder; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*words):
        subprocess.run(["openssl", *[str(w) for w in words]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)

    def authority(name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 30, "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", f"{name}.key",
                "-out", f"{name}.crt")

    def leaf(name, ca, usage):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", 30, "-extfile",
                f"{name}.ext", "-out", f"{name}.crt")
        # Java reads private keys in PKCS#8 only, which is what -nodes writes.

    authority("ca")
    authority("strangers")
    leaf("server", "ca", "serverAuth")
    leaf("client", "ca", "clientAuth")
    leaf("stranger", "strangers", "clientAuth")
    return folder
