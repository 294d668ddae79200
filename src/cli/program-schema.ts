/** The commands of `millrace schema`. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { wholeNumber } from './options.ts'
import { registryOption } from './serde-options.ts'

function withRegistryOptions(command: Command): Command {
  return command
    .addOption(registryOption())
    .addOption(new Option('--ca <file>', "trusted certificates of the registry (PEM), instead of the system's").env('MILLRACE_CA'))
    .option('--json', 'print JSON')
}

function withSchemaFile(command: Command): Command {
  return command
    .addOption(new Option('--type <type>', 'default: by the name of the file (.avsc, .json, .proto)').choices(['avro', 'json', 'protobuf']))
    .option('--reference <name=subject@version>', 'schema that this one refers to; repeatable', reference)
    .option('--normalize', 'ignore differences of form')
}

const versionNumber = wholeNumber(1, 2 ** 31 - 1)

export function addSchema(program: Command): void {
  const schema = program.command('schema').description('list, show, register, check, compare and delete schemas of a registry')
  withRegistryOptions(
    schema.command('list [prefix]').description('list subjects, those that begin with a prefix, with their latest schema'),
  ).action(async (prefix, flags) => (await import('./schema.ts')).listSchemas(prefix, flags))
  withRegistryOptions(schema.command('get [subject] [version]').description('print a schema; default: the latest version'))
    .option('--id <id>', 'the schema with this id', wholeNumber(0, 2 ** 31 - 1))
    .action(async (subject, version, flags) => (await import('./schema.ts')).getSchema(subject, version, flags))
  withSchemaFile(withRegistryOptions(schema.command('register <subject> <file>').description('register a schema; prints its id'))).action(
    async (subject, file, flags) => (await import('./schema.ts')).registerSchema(subject, file, flags),
  )
  withSchemaFile(
    withRegistryOptions(
      schema.command('check <subject> <file>').description('check whether a schema is compatible; the exit code is 1 if it is not'),
    ),
  )
    .option('--all-versions', 'check it against what the level of the subject asks for, instead of the latest version only')
    .action(async (subject, file, flags) => (await import('./schema.ts')).checkSchema(subject, file, flags))
  withRegistryOptions(schema.command('diff <subject> [from] [to]').description('compare two versions; default: the latest two')).action(
    async (subject, from, to, flags) => (await import('./schema.ts')).diffSchemas(subject, from, to, flags),
  )
  withRegistryOptions(schema.command('delete <subject>').description('delete a subject, or one version; it can be registered again'))
    .option('--version <number>', 'only this version', versionNumber)
    .option('--permanent', 'for ever, also of what was deleted before')
    .action(async (subject, flags) => (await import('./schema.ts')).deleteSchema(subject, flags))
}

export interface ReferenceFlag {
  name: string
  subject: string
  version: number
}

function reference(text: string, before: ReferenceFlag[] = []): ReferenceFlag[] {
  const match = /^([^=]+)=(.+)@(\d{1,9})$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Must be name=subject@version.')
  return [...before, { name: match[1]!, subject: match[2]!, version: Number(match[3]) }]
}
