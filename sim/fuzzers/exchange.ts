/** Authentication requests, valid or invalid, in order or not, for fuzzing a SASL listener before authentication. */
import { type Api, apis } from '../../src/protocol.ts'
import { requestBytes } from '../../test/support/client.ts'
import type { SeededRandom } from '../world/random.ts'
import { randomBytes } from './grammar.ts'
import { mutate } from './mutate.ts'

/** For a broker whose listener SASL_PLAINTEXT takes these exchanges. */
export const saslConfig = {
  listeners: 'PLAINTEXT://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0',
  'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
  'listener.name.sasl_plaintext.plain.sasl.jaas.config':
    'org.apache.kafka.common.security.plain.PlainLoginModule required user_fuzz="fuzz-pw";',
  'connection.failed.authentication.delay.ms': '2',
}

const mechanisms = ['PLAIN', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'GSSAPI', 'OAUTHBEARER', '', 'plain', 'x'.repeat(3000)]
const tokens = [
  '\0fuzz\0fuzz-pw',
  '\0fuzz\0wrong',
  'admin\0fuzz\0fuzz-pw',
  '\0\0',
  '\0'.repeat(1000),
  'n,,n=fuzz,r=nonce',
  'n,a=admin,n=fuzz,r=nonce',
  'n,,n==2C=3D,r=nonce,tokenauth=true',
  'p=tls-unique,,n=fuzz,r=nonce',
  'c=biws,r=nonce,p=AAAA',
  'c=biws,r=,p=',
  'n,,\u0001auth=Bearer a.b.c\u0001\u0001',
]

/** Frames of one connection, sizes included: mostly an exchange as it should begin, then anything. */
export function randomExchange(random: SeededRandom, anyFrame: () => Buffer): Buffer[] {
  const frames: Buffer[] = []
  if (random.chance(0.3))
    frames.push(requestBytes(apis.apiVersions, random.below(4), { clientSoftwareName: 'f', clientSoftwareVersion: '1' }))
  const raw = random.chance(0.3)
  if (random.chance(0.9)) frames.push(sometimesMutated(random, apis.saslHandshake, raw ? 0 : 1, { mechanism: random.pick(mechanisms) }))
  for (let count = random.below(4); count > 0; count--) {
    const text = Buffer.from(random.pick(tokens))
    const token = random.chance(0.5) ? text : random.chance(0.5) ? mutate(text, random) : randomBytes(random, random.below(200))
    frames.push(raw ? sized(token, random) : sometimesMutated(random, apis.saslAuthenticate, random.below(3), { authBytes: token }))
  }
  for (let count = random.below(4); count > 0; count--) frames.push(anyFrame())
  // Out of order.
  if (random.chance(0.2)) frames.reverse()
  return frames
}

function sometimesMutated(random: SeededRandom, api: Api, version: number, message: object): Buffer {
  const frame = requestBytes(api, version, message as never, random.below(1000))
  return random.chance(0.7) ? frame : sized(mutate(frame.subarray(4), random), random)
}

/** Now and then the size lies. */
function sized(body: Buffer, random: SeededRandom): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(random.chance(0.05) ? random.pick([-1, 0, 3, 524_289, 2 ** 31 - 1]) : body.length)
  return Buffer.concat([size, body])
}
