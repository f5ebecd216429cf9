#!/usr/bin/env bash
# Makes certificates for development and tests: a CA, and all that one plant and one gateway need.
set -euo pipefail
umask 077

usage() {
  cat <<'USAGE'
usage: make_dev_pki.sh DIR [options]

Makes what is missing in DIR, keeps what is valid for another day, and writes:
  ca.crt ca.key               the root of everything below (P-256)
  ca.crl                      revoked certificates
  gateway.crt gateway.key     the gateway, spiffe://TRUST_DOMAIN/gateway/dev, DNS localhost and mvmd-gateway, IP 127.0.0.1
  mqtt.crt mqtt.key           an MQTT broker, DNS localhost, IP 127.0.0.1
  bridge-NAME.crt .key        bridges, spiffe://TRUST_DOMAIN/bridge/NAME
  client-NAME.crt .key        clients, spiffe://TRUST_DOMAIN/client/NAME
  signing.key                 what the gateway signs documents with (Ed25519)

options:
  --bridges A,B        names of bridges (default: robots)
  --clients A,B        names of clients (default: operator)
  --hosts A,B          more DNS names or IP addresses of new certificates of the gateway and the broker
  --days N             validity of new certificates and of the CRL (default: 365)
  --trust-domain NAME  of the SPIFFE names (default: plant.example)
  --issue KIND:NAME    only this one, anew: bridge:NAME, client:NAME, gateway:NAME or mqtt:NAME
  --revoke FILE        only revoke FILE.crt (such as bridge-robots) and write ca.crl anew

Keys are readable by their owner only. Not for production: the CA's key lies beside the rest.
USAGE
}

fail() {
  echo "make_dev_pki.sh: $*" >&2
  exit 2
}

dir=
bridges=robots
clients=operator
hosts=
days=365
trust_domain=plant.example
issue=
revoke=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --bridges | --clients | --hosts | --days | --trust-domain | --issue | --revoke)
      [ $# -ge 2 ] || fail "$1: expected a value, got nothing"
      variable=${1#--}
      printf -v "${variable//-/_}" %s "$2"
      shift 2
      ;;
    -*) fail "unknown option $1, see --help" ;;
    *)
      [ -z "$dir" ] || fail "expected one directory, got $dir and $1"
      dir=$1
      shift
      ;;
  esac
done
[ -n "$dir" ] || { usage >&2; exit 2; }
[[ $days =~ ^[1-9][0-9]{0,4}$ ]] || fail "--days: expected a number from 1 to 99999, got $days"
[[ $trust_domain =~ ^[a-z0-9._-]+$ ]] || fail "--trust-domain: expected [a-z0-9._-], got $trust_domain"
command -v openssl >/dev/null || fail "openssl is not there; apt-get install openssl"

check_name() { # option, name
  [[ $2 =~ ^[A-Za-z0-9._-]{1,64}$ && $2 != . && $2 != .. ]] ||
    fail "$1: expected names of 1 to 64 characters of [A-Za-z0-9._-], got '$2'"
}

mkdir -p "$dir"
cd "$dir"
staging=$(mktemp -d ./.staging.XXXXXX)
trap 'rm -rf "$staging"' EXIT

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

# Positive, 127 bits, never used before.
new_serial() { echo "0x4$(openssl rand -hex 16 | cut -c 2-)"; }

# Both files appear whole; a reader that comes in between sees a pair that does not match, and says so.
install_pair() { # base name
  chmod 644 "$staging/$1.crt"
  mv -f "$staging/$1.key" "$1.key"
  mv -f "$staging/$1.crt" "$1.crt"
}

# Is FILE.crt ours, matches its key, and is good for a day? Else it is made anew.
is_good() { # base name
  [ -s "$1.crt" ] && [ -s "$1.key" ] &&
    openssl x509 -in "$1.crt" -noout -checkend 86400 >/dev/null 2>&1 &&
    openssl verify -CAfile ca.crt "$1.crt" >/dev/null 2>&1 &&
    [ "$(openssl x509 -in "$1.crt" -noout -pubkey 2>/dev/null)" = "$(openssl pkey -in "$1.key" -pubout 2>/dev/null)" ]
}

make_ca() {
  if is_good ca; then
    echo "kept  ca.crt"
    return
  fi
  [ ! -e ca.crt ] || echo "note: ca.crt is expired or damaged; everything is made anew"
  new_key "$staging/ca.key"
  openssl req -x509 -new -key "$staging/ca.key" -sha256 -days 3650 -set_serial "$(new_serial)" \
    -subj "/CN=mvmd dev CA $trust_domain" -addext basicConstraints=critical,CA:TRUE,pathlen:0 \
    -addext keyUsage=critical,keyCertSign,cRLSign -out "$staging/ca.crt"
  install_pair ca
  # What an older CA revoked says nothing of this one's certificates.
  rm -rf ca.state ca.crl
  echo "made  ca.crt"
}

san_of_hosts() { # hosts, separated by commas
  local host san=
  for host in ${1//,/ }; do
    if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then san+=",IP:$host"; else san+=",DNS:$host"; fi
  done
  echo "${san#,}"
}

make_leaf() { # base name, extended key usage, subject alternative names
  new_key "$staging/$1.key"
  openssl req -new -key "$staging/$1.key" -subj "/CN=$1" -out "$staging/$1.csr"
  cat >"$staging/$1.ext" <<EXT
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = $2
subjectAltName = $3
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
EXT
  openssl x509 -req -in "$staging/$1.csr" -CA ca.crt -CAkey ca.key -set_serial "$(new_serial)" -days "$days" -sha256 \
    -extfile "$staging/$1.ext" -out "$staging/$1.crt" 2>/dev/null || fail "$1: openssl could not sign it (SAN: $3)"
  install_pair "$1"
  echo "made  $1.crt  ($3)"
}

make_kind() { # kind, name
  local spiffe=spiffe://$trust_domain
  case $1 in
    gateway)
      make_leaf "$3" serverAuth,clientAuth \
        "$(san_of_hosts "localhost,mvmd-gateway,127.0.0.1${hosts:+,$hosts}"),URI:$spiffe/gateway/$2"
      ;;
    mqtt) make_leaf "$3" serverAuth "$(san_of_hosts "localhost,127.0.0.1${hosts:+,$hosts}")" ;;
    bridge | client) make_leaf "$3" clientAuth "URI:$spiffe/$1/$2" ;;
    *) fail "--issue: expected bridge:NAME, client:NAME, gateway:NAME or mqtt:NAME, got $issue" ;;
  esac
}

make_missing() { # kind, name, base name
  if is_good "$3"; then
    echo "kept  $3.crt"
  else
    make_kind "$@"
  fi
}

# No certificate: who checks a signature knows the key by its did:key.
make_signing_key() {
  if openssl pkey -in signing.key -noout -text 2>/dev/null | grep -q ED25519; then
    echo "kept  signing.key"
    return
  fi
  openssl genpkey -algorithm ed25519 -out "$staging/signing.key"
  mv -f "$staging/signing.key" signing.key
  echo "made  signing.key"
}

# openssl's own bookkeeping of what is revoked.
prepare_state() {
  mkdir -p ca.state
  [ -e ca.state/index.txt ] || : >ca.state/index.txt
  [ -e ca.state/crlnumber ] || echo 01 >ca.state/crlnumber
  cat >ca.state/openssl.cnf <<CNF
[ca]
default_ca = dev
[dev]
database = ca.state/index.txt
crlnumber = ca.state/crlnumber
certificate = ca.crt
private_key = ca.key
default_md = sha256
crl_extensions = crl
unique_subject = no
[crl]
authorityKeyIdentifier = keyid
CNF
}

make_crl() {
  openssl ca -config ca.state/openssl.cnf -gencrl -crldays "$days" -out "$staging/ca.crl" 2>/dev/null ||
    fail "openssl could not write the CRL; remove ca.state and ca.crl to start over"
  chmod 644 "$staging/ca.crl"
  mv -f "$staging/ca.crl" ca.crl
  echo "made  ca.crl"
}

crl_is_good() {
  [ -s ca.crl ] && openssl crl -in ca.crl -CAfile ca.crt -noout >/dev/null 2>&1 &&
    [ "$(date -u -d "$(openssl crl -in ca.crl -noout -nextupdate | cut -d= -f2)" +%s)" -gt "$(($(date -u +%s) + 86400))" ]
}

if [ -n "$revoke" ]; then
  check_name --revoke "$revoke"
  [ -s ca.key ] || fail "$dir/ca.key is not there; make the CA first: make_dev_pki.sh $dir"
  [ -s "$revoke.crt" ] || fail "--revoke: $dir/$revoke.crt is not there"
  prepare_state
  serial=$(openssl x509 -in "$revoke.crt" -noout -serial | cut -d= -f2)
  if grep -q "^R.*[[:space:]]${serial}[[:space:]]" ca.state/index.txt; then
    echo "kept  $revoke.crt revoked"
  else
    openssl ca -config ca.state/openssl.cnf -revoke "$revoke.crt" 2>/dev/null ||
      fail "--revoke: $revoke.crt is not a certificate of $dir/ca.crt"
    echo "revoked  $revoke.crt"
  fi
  make_crl
  exit 0
fi

for name in ${bridges//,/ }; do check_name --bridges "$name"; done
for name in ${clients//,/ }; do check_name --clients "$name"; done
for name in ${hosts//,/ }; do
  [[ $name =~ ^[A-Za-z0-9.-]+$ || $name =~ ^[0-9A-Fa-f:]+$ ]] || fail "--hosts: expected DNS names or IP addresses, got '$name'"
done

if [ -n "$issue" ]; then
  [[ $issue == *:* ]] || fail "--issue: expected KIND:NAME, got $issue"
  check_name --issue "${issue#*:}"
  [ -s ca.key ] || fail "$dir/ca.key is not there; make the CA first: make_dev_pki.sh $dir"
  make_kind "${issue%%:*}" "${issue#*:}" "${issue/:/-}"
  exit 0
fi

make_ca
make_missing gateway dev gateway
make_missing mqtt dev mqtt
for name in ${bridges//,/ }; do make_missing bridge "$name" "bridge-$name"; done
for name in ${clients//,/ }; do make_missing client "$name" "client-$name"; done
make_signing_key
prepare_state
if crl_is_good; then echo "kept  ca.crl"; else make_crl; fi
