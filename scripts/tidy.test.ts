import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { scan } from './tidy/scan.ts'
import { tidy } from './tidy.ts'

const header = '/** A header. */\n'

function check(t: TestContext, files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'tidy-'))
  t.after(() => rmSync(root, { recursive: true }))
  const manifest = { bin: { millrace: './src/cli.ts' }, scripts: { sim: 'node sim/run.ts' } }
  for (const [path, text] of Object.entries({ 'package.json': JSON.stringify(manifest), ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return tidy(root).map(problem => `${problem.file}:${problem.line} ${problem.rule}`)
}

test('a tidy tree has no problems', t => {
  const found = check(t, {
    'src/cli.ts': `${header}import { log } from './log.ts'\nimport { clock } from './base.ts'\nlog(clock)\n`,
    'src/log.ts': `${header}export { log } from './log/log.ts'\n`,
    'src/log/log.ts': `${header}import { clock } from '../base.ts'\nimport type { A } from './a.ts'\nnew Worker('./worker.ts')\n`,
    'src/log/a.ts': `${header}import type { B } from './log.ts'\nexport type A = B\n`,
    'src/log/worker.ts': `${header}// Date.now() and setTimeout belong to base\nconst word = 'Math.random'\n`,
    'src/log/log.test.ts': "import { setTimeout } from 'node:timers/promises'\nimport './naive.contract.ts'\nDate.now()\n",
    'src/log/naive.contract.ts': header,
    'src/base.ts': `#!/usr/bin/env node\n${header}export { clock } from './base/clock.ts'\n`,
    'src/base/clock.ts': `${header}import fs from 'node:fs'\nexport const clock = () => Date.now()\n`,
    'sim/run.ts': "import '../src/log.ts'\nMath.random()\n",
    'test/a.test.ts': "import { a } from './support.ts'\n",
    'test/support.ts': 'export const a = 1\n',
  })
  assert.deepEqual(found, [])
})

test('imports point one way and only to interfaces', t => {
  const found = check(t, {
    'src/cli.ts': `${header}import './log.ts'\nimport './mystery.ts'\n`,
    'src/log.ts': `${header}import { a } from './base/a.ts'\nimport { b } from './broker.ts'\n`,
    'src/base.ts': `${header}import type { Log } from\n  './log.ts'\n`,
    'src/base/a.ts': `${header}export const a = await import('./b.ts')\n`,
    'src/base/b.ts': header,
    'src/broker.ts': `${header}export * from './base.ts'\n`,
    'src/mystery.ts': `${header}import './base.ts'\n`,
    'sim/run.ts': "import '../src/base/a.ts'\n",
  })
  assert.deepEqual(found, [
    'sim/run.ts:1 import another module only by its interface',
    'src/base.ts:3 imports point one way',
    'src/log.ts:2 import another module only by its interface',
    'src/log.ts:3 imports point one way',
    'src/mystery.ts:2 every module has its place',
  ])
})

test('cycles, unused files, missing headers, long files', t => {
  const found = check(t, {
    'src/cli.ts': `${header}import './cli/a.ts'\n`,
    'src/cli/a.ts': `${header}import './b.ts'\n`,
    'src/cli/b.ts': `import './a.ts'\n`,
    'src/cli/unused.ts': header,
    'src/cli/helper.ts': header,
    'src/cli/a.test.ts': "import './helper.ts'\n",
    'sim/run.ts': 'x()\n'.repeat(501),
  })
  assert.deepEqual(found, [
    'sim/run.ts:501 files have at most 500 lines',
    'src/cli/b.ts:1 each file begins with /** a header */',
    'src/cli/b.ts:1 no import cycles',
    'src/cli/helper.ts:1 every file is used',
    'src/cli/unused.ts:1 every file is used',
  ])
})

test('exported values that are never imported', t => {
  const found = check(t, {
    'src/cli.ts': `${header}import './log.ts'\nexport const entry = used\n`,
    'src/log.ts': `${header}export { passedOn, used } from './log/a.ts'\n`,
    'src/log/a.ts': `${header}export const used = 1\nexport function passedOn() {}\nexport interface Options {}\nexport class Own {}\nnew Own()\n`,
    'test/a.test.ts': '// passedOn\n',
  })
  assert.deepEqual(found, ['src/log/a.ts:3 every exported value is used', 'src/log/a.ts:5 every exported value is used'])
})

test('nothing outside base reaches for time, chance, timers or the disk', t => {
  const planted = [
    'Date.now()',
    'new Date()',
    'performance.now()',
    'process.hrtime()',
    'Math.random()',
    'randomUUID()',
    'setTimeout(f, 1)',
    'setImmediate(f)',
    'AbortSignal.timeout(1)',
    "import fs from 'node:fs'",
    "import { readFile } from 'node:fs/promises'",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    '`${Date.now()}`',
  ]
  const allowed = ['new Date(5)', 'timers.after(1, f)', "import type { Stats } from 'node:fs'", 'this.performance', 'f(/Date.now/)']
  const found = check(t, { 'src/cli.ts': `${header}${[...planted, ...allowed].join('\n')}\n` })
  assert.deepEqual(
    found,
    planted.map((_, index) => `src/cli.ts:${index + 2} only base touches time, randomness, timers and the disk`),
  )
})

test('the scanner separates code from text', () => {
  const source = [
    "const a = 'x // y' // import 'no'",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    'const b = `t ${a + `n ${1}` + "}"} import \'no\'`',
    'const c = 1 / 2 / 3; const d = /[/"]\\/"/.test(a) /* "no" */',
    "import type { T } from './t.ts'",
    "export { u } from './u.ts'",
  ].join('\n')
  const { code, imports, strings } = scan(source)
  assert.equal(code.length, source.length)
  assert.deepEqual(
    imports.map(each => [each.from, each.line, each.atRunTime]),
    [
      ['./t.ts', 4, false],
      ['./u.ts', 5, true],
    ],
  )
  assert.deepEqual(strings, ['x // y', '}', './t.ts', './u.ts'])
  assert.match(code, /const c = 1 \/ 2 \/ 3; const d = +\.test\(a\)/)
  assert.doesNotMatch(code, /no|import '/)
})
