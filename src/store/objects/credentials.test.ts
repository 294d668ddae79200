import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedWorld, type World } from '../../../sim/world/world.ts'
import { CredentialSource, type Environment } from './credentials.ts'
import type { HttpRequest, HttpResponse } from './transport.ts'

interface Setting {
  world: World
  source: CredentialSource
  asked: HttpRequest[]
  reports: string[]
}

function setting(
  environment: Environment,
  answer: (request: HttpRequest) => Partial<HttpResponse> | Error = () => new Error('nobody there'),
): Setting {
  const world = simulatedWorld({ seed: 1 })
  const asked: HttpRequest[] = []
  const reports: string[] = []
  const transport = {
    async send(request: HttpRequest): Promise<HttpResponse> {
      asked.push(request)
      const response = answer(request)
      if (response instanceof Error) throw response
      return { status: 200, headers: {}, body: Buffer.alloc(0), ...response }
    },
    close() {},
  }
  const source = new CredentialSource({
    system: world.system,
    transport,
    environment,
    region: 'eu-west-1',
    report: (what, error) => reports.push(`${what}: ${error}`),
  })
  return { world, source, asked, reports }
}

const json = (value: unknown) => ({ body: Buffer.from(JSON.stringify(value)) })

test('the environment comes first', async () => {
  const { source } = setting({ AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 't', AWS_PROFILE: 'other' })
  assert.deepEqual(await source.current(), { accessKeyId: 'a', secretAccessKey: 's', sessionToken: 't', expiresAtMs: null })
})

test('the shared file, by profile, read again when it may have changed', async () => {
  const { world, source } = setting({ HOME: '/home/me', AWS_PROFILE: 'work' })
  const write = (key: string) =>
    world.run(
      world.system.files.replaceFile(
        '/home/me/.aws/credentials',
        Buffer.from(
          `[default]\naws_access_key_id=wrong\naws_secret_access_key=wrong\n\n[ work ]\naws_access_key_id = ${key}\naws_secret_access_key = s=s/+\n`,
        ),
      ),
    )
  world.system.files.makeDirectory('/home/me/.aws')
  await write('one')
  assert.equal((await source.current()).accessKeyId, 'one')
  assert.equal((await source.current()).secretAccessKey, 's=s/+')
  await write('two')
  await world.pass(6 * 60_000)
  assert.equal((await source.current()).accessKeyId, 'two')
})

test('a profile that is not there is an error that names it', async () => {
  const { world, source } = setting({ AWS_SHARED_CREDENTIALS_FILE: '/keys' })
  await assert.rejects(source.current(), /no credentials from \/keys: there is no such file/)
  await world.run(world.system.files.replaceFile('/keys', Buffer.from('[other]\naws_access_key_id=a\n')))
  await assert.rejects(source.current(), /the profile \[default\] needs aws_access_key_id/)
})

test('a container role, with a token from a file', async () => {
  const { world, source, asked } = setting(
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://169.254.170.23/v1/credentials', AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/token' },
    () => json({ AccessKeyId: 'a', SecretAccessKey: 's', Token: 't', Expiration: '2026-01-01T06:00:00Z' }),
  )
  await world.run(world.system.files.replaceFile('/token', Buffer.from('secret\n')))
  assert.deepEqual(await source.current(), {
    accessKeyId: 'a',
    secretAccessKey: 's',
    sessionToken: 't',
    expiresAtMs: Date.UTC(2026, 0, 1, 6),
  })
  assert.equal(asked[0]!.headers['authorization'], 'secret')
})

const irsa = { AWS_WEB_IDENTITY_TOKEN_FILE: '/var/run/token', AWS_ROLE_ARN: 'arn:aws:iam::1:role/events' }

const assumed = (key: string, untilMs: number) => ({
  body: Buffer.from(
    `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken><Credentials>
       <SessionToken>a&#43;b</SessionToken><SecretAccessKey>secret/${key}</SecretAccessKey>
       <Expiration>${new Date(untilMs).toISOString()}</Expiration><AccessKeyId>${key}</AccessKeyId>
     </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
  ),
})

test('a web identity (IRSA): the role is assumed with the token that is in the file now, and again before its keys expire', async () => {
  let issued = 0
  const { world, source, asked } = setting({ ...irsa, AWS_PROFILE: 'other', AWS_ROLE_SESSION_NAME: 'pod-1' }, () =>
    assumed(`key${++issued}`, world.system.clock.now() + 3_600_000),
  )
  const write = (token: string) => world.run(world.system.files.replaceFile('/var/run/token', Buffer.from(`${token}\n`)))
  world.system.files.makeDirectory('/var/run')
  await write('first.to+ken=')
  const { expiresAtMs, ...keys } = await source.current()
  assert.deepEqual(keys, { accessKeyId: 'key1', secretAccessKey: 'secret/key1', sessionToken: 'a+b' })
  assert.equal(expiresAtMs, world.system.clock.now() + 3_600_000)
  const { method, origin, path, headers, body } = asked[0]!
  assert.deepEqual(
    [method, origin, path, headers['host']],
    ['POST', 'https://sts.eu-west-1.amazonaws.com', '/', 'sts.eu-west-1.amazonaws.com'],
  )
  assert.deepEqual(Object.fromEntries(new URLSearchParams(Buffer.concat(body).toString())), {
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: irsa.AWS_ROLE_ARN,
    RoleSessionName: 'pod-1',
    WebIdentityToken: 'first.to+ken=',
  })
  await write('second')
  await world.pass(56 * 60_000)
  assert.equal((await source.current()).accessKeyId, 'key1', 'nobody waits for the renewal')
  await world.pass(10)
  assert.equal((await source.current()).accessKeyId, 'key2')
  assert.match(Buffer.concat(asked[1]!.body).toString(), /WebIdentityToken=second$/)
})

test('where the token service is, and what it says when it refuses', async () => {
  const refusal = {
    status: 403,
    body: Buffer.from('<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not you</Message></Error></ErrorResponse>'),
  }
  const asking = async (environment: Environment) => {
    const { world, source, asked } = setting({ ...irsa, ...environment }, () => refusal)
    world.system.files.makeDirectory('/var/run')
    await world.run(world.system.files.replaceFile('/var/run/token', Buffer.from('token')))
    const error = await source.current().catch(each => each)
    return [asked[0]?.origin, error.message]
  }
  const refused = (origin: string) => [origin, `no credentials from ${irsa.AWS_ROLE_ARN}: ${origin} answered 403 AccessDenied: Not you`]
  assert.deepEqual(await asking({ AWS_REGION: 'cn-north-1' }), refused('https://sts.cn-north-1.amazonaws.com.cn'))
  assert.deepEqual(await asking({ AWS_ENDPOINT_URL_STS: 'https://sts.example:9000' }), refused('https://sts.example:9000'))
  assert.deepEqual(await asking({ AWS_ENDPOINT_URL: 'http://127.0.0.1:9000' }), refused('http://127.0.0.1:9000'))
  assert.match(String(await asking({ AWS_ENDPOINT_URL: 'http://sts.example' })), /^,.*sts.example needs https/)
  assert.match(String(await asking({ AWS_ROLE_SESSION_NAME: 'my pod' })), /^,.*AWS_ROLE_SESSION_NAME=my pod must have 2 to 64/)
  assert.match(
    String(
      (
        await setting(irsa)
          .source.current()
          .catch(each => each)
      ).message,
    ),
    /\/var\/run\/token holds no token/,
  )
})

test('a token is not sent in clear text to just anybody', async () => {
  const { source, asked } = setting({
    AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com/',
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'secret',
  })
  await assert.rejects(source.current(), /example.com needs https/)
  assert.equal(asked.length, 0)
})

test('the instance role: a token first, then the role, then its keys; renewed before they expire', async () => {
  let issued = 0
  const { world, source, asked, reports } = setting({}, request => {
    if (request.method === 'PUT') return { body: Buffer.from('token') }
    if (request.headers['x-aws-ec2-metadata-token'] !== 'token') return { status: 401 }
    if (request.path.endsWith('/')) return { body: Buffer.from('my-role') }
    if (issued === 2) return { status: 500 }
    issued++
    const Expiration = new Date(world.system.clock.now() + 3_600_000).toISOString()
    return json({ AccessKeyId: `key${issued}`, SecretAccessKey: 's', Token: 't', Expiration })
  })
  assert.equal((await source.current()).accessKeyId, 'key1')
  await world.pass(50 * 60_000)
  await source.current()
  assert.equal(asked.length, 3, 'they hold long enough')
  await world.pass(6 * 60_000)
  assert.equal((await source.current()).accessKeyId, 'key1', 'nobody waits for the renewal')
  await world.pass(10)
  assert.equal((await source.current()).accessKeyId, 'key2')
  // A renewal that fails: the old ones are used as long as they hold, and there is no storm of attempts.
  await world.pass(57 * 60_000)
  for (let index = 0; index < 10; index++) assert.equal((await source.current()).accessKeyId, 'key2')
  await world.pass(10)
  assert.equal(reports.length, 1)
  await world.pass(5 * 60_000)
  await assert.rejects(source.current(), /no credentials from the instance role \(IMDSv2\): .* answered 500/)
})

test('what the store refused is loaded again', async () => {
  let issued = 0
  const { source } = setting({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2' }, () =>
    json({ AccessKeyId: `key${++issued}`, SecretAccessKey: 's' }),
  )
  const [first, same] = await Promise.all([source.current(), source.current()])
  assert.equal(first, same, 'asked once for both')
  source.refused(first!)
  assert.equal((await source.current()).accessKeyId, 'key2')
  source.refused(first!)
  assert.equal((await source.current()).accessKeyId, 'key2', 'refused long ago')
})

test('without any source the error says what to set', async () => {
  await assert.rejects(setting({ AWS_EC2_METADATA_DISABLED: 'true' }).source.current(), /set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/)
})
