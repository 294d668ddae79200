import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { realSystem } from '../base.ts'
import { RetriableError } from '../connector.ts'
import { definitionOf } from './plugins/packages.ts'
import { Plugins } from './plugins.ts'

const system = realSystem()

/** Each connector is a single file, which has nothing installed. */
const connector = (name: string, more = '') => `
  import { defineSink, RetriableError, string } from 'millrace/connect'
  export const connector = defineSink({
    name: '${name}', version: '1.0.0', summary: 'Does nothing.', config: { key: string({ required: true, doc: 'A key.' }) }, ${more}
    open: async () => { throw new RetriableError('later') },
  })`

function folderWith(t: { after(run: () => void): void }, contents: Readonly<Record<string, string | object>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'connect-plugins-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

const namesIn = async (...paths: string[]) =>
  (await Plugins.open(paths, system)).all.map(({ name }) => name).filter(name => name.startsWith('test-'))

test('a name that is not known brings the nearest one, and all that are', () => {
  assert.throws(
    () => Plugins.own().find('file-snk'),
    /matches file-snk; did you mean file-sink\?, available connectors are: elasticsearch, s3, /,
  )
})

test('plugin.path takes files, packages, folders of both, and folders into which packages were installed', async t => {
  const folder = folderWith(t, {
    'one.js': connector('test-file'),
    'x.d.ts': 'export {}',
    'notes.txt': 'not a connector',
    'two/package.json': { type: 'module', exports: { '.': { types: './index.d.ts', import: { default: './lib/main.js' } } } },
    'two/lib/main.js': connector('test-package'),
    'two/lib/other.js': 'throw new Error("nobody loads this")',
    'three/package.json': { main: 'index.cjs' },
    'three/index.cjs': `const { defineSource } = require('millrace/connect')
      exports.source = defineSource({ name: 'test-common', version: '1', summary: 'Nothing.', config: {}, open: async () => ({}) })`,
  })
  assert.deepEqual((await namesIn(folder)).sort(), ['test-common', 'test-file', 'test-package'])
  assert.deepEqual(await namesIn(join(folder, 'one.js')), ['test-file'])
  assert.deepEqual(await namesIn(join(folder, 'two')), ['test-package'])
  const installed = folderWith(t, {
    'package.json': { dependencies: { '@someone/sink': '^1.0.0', 'no-connector': '^1.0.0' } },
    'node_modules/@someone/sink/package.json': { type: 'module', exports: './index.js' },
    'node_modules/@someone/sink/index.js': connector('test-installed'),
    'node_modules/@someone/sink/node_modules/millrace/package.json': { exports: { './connect': './index.js' } },
    'node_modules/@someone/sink/node_modules/millrace/index.js': 'throw new Error("the worker has its own")',
    'node_modules/no-connector/package.json': { main: 'index.js' },
    'node_modules/no-connector/index.js': 'module.exports = { n: 1 }',
    'node_modules/of-a-dependency/package.json': { main: 'missing.js' },
  })
  assert.deepEqual(await namesIn(installed), ['test-installed'])
})

test('what connectors of others throw has the classes that the worker knows', async t => {
  const definition = await definitionOf({
    file: join(folderWith(t, { 'one.mjs': connector('test-throws') }), 'one.mjs'),
    name: 'test-throws',
  })
  await assert.rejects(definition.open({}, {} as never), RetriableError)
})

test('paths without a connector are known; what cannot be loaded is refused with the file and the reason', async t => {
  const empty = folderWith(t, { 'kafka-connect.jar': '' })
  assert.deepEqual((await Plugins.open([empty, '/nowhere', ''], system)).empty, [empty, '/nowhere'])
  const refused: readonly (readonly [contents: Readonly<Record<string, string | object>>, message: RegExp])[] = [
    [{ 'a.js': 'export default {' }, /^plugin\.path: \S+a\.js: /],
    [{ 'package.json': { main: 'gone.js' } }, /has no file gone\.js, which its package\.json names$/],
    [{ 'package.json': '{' }, /package\.json: .*JSON/],
    [{ 'package.json': {}, 'index.js': 'exports.a = 1' }, /index\.js exports no connector$/],
    [{ 'a.mjs': connector('test-x', 'open: 1,').replace(/open: async.*/, '') }, /The sink test-x needs the function open$/],
    [
      { 'a.mjs': connector('test-x').replace(/config: .*/, "config: { key: 'text' },") },
      /The sink test-x: its key key must be declared by string/,
    ],
    [{ 'a.mjs': connector('test-x').replace("version: '1.0.0',", '') }, /A sink needs a version, which is a text$/],
    [{ 'a.mjs': connector('test-x', 'recordsAtOnce: 0,') }, /The sink test-x: recordsAtOnce must be a whole number of at least 1$/],
    [{ 'a.mjs': connector('s3') }, /a\.mjs: there is a connector s3 already$/],
    [{ 'a.mjs': connector('test-x', "classes: ['io.confluent.connect.s3.S3SinkConnector'],") }, /a\.mjs: there is a connector s3 already$/],
  ]
  for (const [contents, message] of refused) await assert.rejects(Plugins.open([folderWith(t, contents)], system), { message })
})
