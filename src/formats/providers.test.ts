import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { realSystem } from '../base.ts'
import { valueResolver } from './providers.ts'

const directory = mkdtempSync(join(tmpdir(), 'providers-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const kafkas = 'org.apache.kafka.common.config.provider.'

function resolver(parameters: Readonly<Record<string, string>> = {}) {
  const given: Record<string, string> = {
    'config.providers': 'env,file,directory',
    'config.providers.env.class': `${kafkas}EnvVarConfigProvider`,
    'config.providers.file.class': `${kafkas}FileConfigProvider`,
    'config.providers.directory.class': `${kafkas}DirectoryConfigProvider`,
    ...parameters,
  }
  const values = new Map(Object.entries(given).map(([key, text]) => [key, { text }]))
  return valueResolver(values, { files: realSystem().files, environment: { TOKEN: 'secret' } })
}

const referenceTo = (what: string) => ['$', `{${what}}`].join('')
const problemOf = (what: string, parameters?: Readonly<Record<string, string>>) => {
  const found = resolver(parameters)(referenceTo(what))
  return 'problem' in found ? found.problem : `resolved: ${found.text}`
}

test('what is no ordinary file of a moderate size is not read', () => {
  writeFileSync(join(directory, 'large'), '')
  truncateSync(join(directory, 'large'), 2 ** 30)
  symlinkSync('/dev/zero', join(directory, 'link'))
  assert.match(problemOf('file:/dev/zero:key'), /\/dev\/zero is no ordinary file/)
  assert.match(problemOf(`file:${directory}/link:key`), /is no ordinary file/)
  assert.match(problemOf(`file:${directory}:key`), /is no ordinary file/)
  assert.match(problemOf(`directory:${directory}:..`), /is no ordinary file/)
  assert.match(problemOf(`directory:${directory}:large`), /has more than 1048576 bytes/)
  assert.match(problemOf(`file:${directory}/gone:key`), /the value does not exist/)
})

test('files outside of the allowed paths are not read, however they are named', () => {
  writeFileSync(join(directory, 'in.properties'), 'key=value\n')
  const allowed = { 'config.providers.file.param.allowed.paths': directory, 'config.providers.directory.param.allowed.paths': directory }
  assert.equal(problemOf(`file:${directory}/in.properties:key`, allowed), 'resolved: value')
  for (const path of ['/etc/passwd', `${directory}/../../etc/passwd`, `${directory}-other/x`, ''])
    assert.match(problemOf(`file:${path}:root`, allowed), /does not exist/, path)
  assert.match(problemOf('directory:/etc:passwd', allowed), /does not exist/)
  assert.match(problemOf(`directory:${directory}:../x`, allowed), /does not exist/)
})

test('only what the environment has is in it', () => {
  assert.equal(problemOf('env:TOKEN'), 'resolved: secret')
  for (const name of ['constructor', '__proto__', 'toString', '']) assert.match(problemOf(`env:${name}`), /does not exist/, name)
  assert.match(problemOf('env:TOKEN', { 'config.providers.env.param.allowlist.pattern': 'OTHER_.*' }), /does not exist/)
})
