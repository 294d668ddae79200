/** The suites of the services: what they do in a second, and the console at a size; see `run.ts`. */
import { join } from 'node:path'
import type { Suite } from '../report.ts'
import { listsRow } from './lists.ts'
import { peopleRow } from './people.ts'
import { registryRows } from './registry.ts'
import { restRows } from './rest.ts'
import { searchRow } from './search.ts'
import { startRow } from './start.ts'
import { triggerRows } from './triggers.ts'
import { valuesRow } from './values.ts'

const method = `There is no other side to compare with: each figure stands for itself. Broker, services, and the load or browser are processes of their own that share the cores of one
machine, so a rate is told twice: for the time that passed, and for a second of processor time of the services' process, which is what one core of its own would do. Figures are
medians with the lowest and the highest of all rounds; rows without a bound are figures, not goals.
`

export const services: Suite = {
  rows: [startRow, ...registryRows, ...restRows],
  introduction: `# Benchmarks of the services

Written by \`npm run bench -- services\`; do not edit. What the schema registry and the REST proxy do in a second, how soon they are there, and what they take. ${method}
The console has a page of its own: [benchmarks-console.md](benchmarks-console.md).
`,
  resultsFile: join(import.meta.dirname, 'results.json'),
  document: 'docs/benchmarks-services.md',
}

export const consoleAtSize: Suite = {
  rows: [listsRow, peopleRow, valuesRow, searchRow],
  introduction: `# Benchmarks of the console

Written by \`npm run bench -- console\`; do not edit. The console with very many topics, people, and records, and with very large values. ${method}
The other services: [benchmarks-services.md](benchmarks-services.md).
`,
  resultsFile: join(import.meta.dirname, 'console-results.json'),
  document: 'docs/benchmarks-console.md',
}

export const triggers: Suite = {
  rows: triggerRows,
  introduction: `# Benchmarks of function triggers

Written by \`npm run bench -- triggers\`; do not edit. How fast records go through functions, what a call costs, and how soon a function runs. ${method}`,
  resultsFile: join(import.meta.dirname, 'triggers-results.json'),
  document: 'docs/benchmarks-triggers.md',
}
