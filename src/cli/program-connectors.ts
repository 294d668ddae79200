/** `millrace connectors`; see `program.ts`. */
import type { Command } from 'commander'

export function addConnectors(program: Command): void {
  program
    .command('connectors [name]')
    .description('list the connectors of this package; with a name or a Java class, its keys with defaults and an example')
    .option('--json', 'print JSON')
    .action(async (name, flags) => (await import('./connectors.ts')).describeConnectors(name, flags))
}
