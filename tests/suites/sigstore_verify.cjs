// Verify one signed envelope by one public key with Sigstore's own library, not ours:
// node sigstore_verify.cjs ENVELOPE PEM. Exit code 0: verified, 1: refused, anything else: it broke.
const { createPublicKey } = require("crypto");
const { readFileSync } = require("fs");
const { createRequire } = require("module");

// The packages lie below the folder that it is started in, not beside this script.
const load = createRequire(process.cwd() + "/");
const { ValidationError, bundleFromJSON } = load("@sigstore/bundle");
const { VerificationError, Verifier, toSignedEntity, toTrustMaterial } = load("@sigstore/verify");

const [envelope, pem] = process.argv.slice(2);
const publicKey = createPublicKey(readFileSync(pem));
const roots = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const material = toTrustMaterial(roots, () => ({ publicKey, validFor: () => true }));
// A bare key: there is no certificate, no log entry and no timestamp that could be asked for.
const none = { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 };
const verifier = new Verifier(material, none);

try {
  verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(envelope)))));
  console.log("verified");
} catch (error) {
  if (!(error instanceof VerificationError || error instanceof ValidationError)) throw error;
  console.log(`refused: ${error.message}`);
  process.exit(1);
}
