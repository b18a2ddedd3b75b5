#!/bin/sh
# Makes the stores of this directory whose names begin with "ec-" (by keytool of Java 17 and openssl
# 3.0), and those of kinds that ring cannot use or not all of ("kind-"). They end in a hundred years.
set -e
for curve in p256:secp256r1 p384:secp384r1; do
    name=${curve%:*} group=${curve#*:}
    keytool -genkeypair -alias server -keyalg EC -groupname "$group" -dname CN=zoo1.example.com \
        -validity 36500 -storetype PKCS12 -storepass password -keystore "ec-$name.p12"
    keytool -importkeystore -srckeystore "ec-$name.p12" -srcstorepass password \
        -destkeystore "ec-$name.jks" -deststoretype JKS -deststorepass password
    # The same key with its public part, and without it in either form.
    openssl pkcs12 -in "ec-$name.p12" -passin pass:password -nokeys -out certificate
    openssl pkcs12 -in "ec-$name.p12" -passin pass:password -nocerts -nodes |
        openssl ec -out whole
    openssl ec -in whole -no_public -out bare
    openssl pkcs8 -topk8 -nocrypt -in bare | cat - certificate > "ec-$name-pkcs8.pem"
    cat bare certificate > "ec-$name-sec1.pem"
    cat whole certificate > "ec-$name-whole.pem"
done
# kind NAME GENPKEY-OPTIONS: a key and a certificate of its own.
kind() {
    name=$1
    shift
    openssl genpkey "$@" > key
    openssl req -x509 -new -key key -subj "/CN=$name" -days 36500 $digest | cat key - > "kind-$name.pem"
}
kind p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
kind secp256k1 -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1
kind ed448 -algorithm ED448
kind pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
kind rsa1024 -algorithm RSA -pkeyopt rsa_keygen_bits:1024
kind rsa2304 -algorithm RSA -pkeyopt rsa_keygen_bits:2304
kind rsa8192 -algorithm RSA -pkeyopt rsa_keygen_bits:8192
kind rsa8200 -algorithm RSA -pkeyopt rsa_keygen_bits:8200
kind exponent3 -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3
digest=-sha512 kind p256-sha512 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
digest=-sha1 kind rsa-sha1 -algorithm RSA -pkeyopt rsa_keygen_bits:2048
openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:2048 > parameters
kind dsa -paramfile parameters
rm -f certificate whole bare key parameters
