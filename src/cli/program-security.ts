/** The commands about users, permissions and quotas; see `program.ts`. */
import { type Command, Option } from 'commander'
import { configOption, duration, repeated, wholeNumber, withClientOptions, wordList } from './options.ts'

export function addUser(program: Command): void {
  const user = program.command('user').description('list, create, alter and delete SCRAM users')
  withClientOptions(user.command('list [names...]').description('list users with their mechanisms and iterations, without secrets')).action(
    async (names, flags) => (await import('./user.ts')).listUsers(names, flags),
  )
  const password = 'the password comes from MILLRACE_NEW_PASSWORD, a prompt, or the first line of standard input'
  withCredentialOptions(withClientOptions(user.command('create <name>').description(`create a user: ${password}`)))
    .option('--offline', 'write to the data directory of a stopped broker, or to the database of its cluster, to create the first user')
    .addOption(configOption())
    .option('-d, --data <dir>', 'with --offline: data directory (log.dirs)')
    .action(async (name, flags) =>
      flags.offline ? (await import('./first-user.ts')).createFirstUser(name, flags) : (await import('./user.ts')).createUser(name, flags),
    )
  withCredentialOptions(withClientOptions(user.command('alter <name>').description(`change a password: ${password}`))).action(
    async (name, flags) => (await import('./user.ts')).alterUser(name, flags),
  )
  withClientOptions(user.command('delete <names...>').description('delete users; existing connections stay authenticated'))
    .addOption(new Option('--scram <hash>', 'delete only this credential (default: all)').choices(['SHA-256', 'SHA-512']))
    .action(async (names, flags) => (await import('./user.ts')).deleteUsers(names, flags))
}

function withCredentialOptions(command: Command): Command {
  return command
    .addOption(new Option('--scram <hash>', 'mechanism SCRAM-<hash>').choices(['SHA-256', 'SHA-512']).default('SHA-512'))
    .option('--iterations <count>', 'iterations of the hash; more make guessing slower', wholeNumber(4_096, 16_384), 4_096)
}

export function addAcl(program: Command): void {
  const acl = program.command('acl').description('list, add and remove ACLs')
  withAclOptions(withClientOptions(acl.command('list').description('list ACLs that match all given options')))
    .option('--matching', 'match every pattern that applies to the named resource: literal, prefixed and *')
    .action(async flags => (await import('./acl.ts')).listAcls(flags))
  withAclOptions(withClientOptions(acl.command('add').description('allow or deny operations for principals')))
    .option('--idempotent', 'with --producer: add IDEMPOTENT_WRITE on the cluster, for brokers before 2.8')
    .option('--dry-run', 'show the ACLs without adding them')
    .addHelpText('after', aclExamples)
    .action(async flags => (await import('./acl.ts')).addAcls(flags))
  withAclOptions(withClientOptions(acl.command('remove').description('show and remove the matching ACLs')))
    .option('--matching', 'match every pattern that applies to the named resource: literal, prefixed and *')
    .option('--dry-run', 'show the ACLs without removing them')
    .option('-y, --yes', 'do not ask for confirmation')
    .action(async flags => (await import('./acl.ts')).removeAcls(flags))
}

const aclExamples = `
Examples:
  millrace acl add --principal alice --producer --topic orders
  millrace acl add --principal bob --consumer --topic orders --group billing
  millrace acl add --principal bob --operation read,describe --topic logs- --prefixed
  millrace acl add --principal mallory --deny --operation all --topic orders
  millrace acl add --principal admin --operation all --cluster`

function withAclOptions(command: Command): Command {
  return command
    .option('--principal <name>', 'User:name or just the name; User:* means everyone; repeatable', repeated)
    .option('--operation <names>', 'comma-separated: all, read, write, create, delete, alter, describe, …', wordList)
    .option('--topic <topic>', 'topic; * means all; repeatable', repeated)
    .option('--group <group>', 'group; * means all; repeatable', repeated)
    .option('--transactional-id <id>', 'transactional id; repeatable', repeated)
    .option('--cluster', 'the cluster')
    .option('--delegation-token <id>', 'delegation token; repeatable', repeated)
    .option('--user-principal <name>', 'user for whom tokens are created; repeatable', repeated)
    .option('--prefixed', 'resource names are prefixes')
    .option('--producer', 'permissions of a producer: write, describe and create on --topic (and --transactional-id)')
    .option('--consumer', 'permissions of a consumer: read and describe on --topic, read on --group')
    .option('--host <address>', 'client address (default: any); repeatable', repeated)
    .option('--allow', 'allow (default for acl add)')
    .option('--deny', 'deny; takes precedence over every allow')
}

export function addQuota(program: Command): void {
  const quota = program.command('quota').description('list, set and remove quotas of users, client ids and addresses')
  withEntityOptions(withClientOptions(quota.command('list').description('list quotas of the given entity, or all'))).action(async flags =>
    (await import('./quota.ts')).listQuotas(flags),
  )
  withEntityOptions(withClientOptions(quota.command('set <pairs...>').description(`set quotas: ${quotaKeys}`)))
    .option('--dry-run', 'only validate the request')
    .addHelpText('after', quotaExamples)
    .action(async (pairs, flags) => (await import('./quota.ts')).setQuota(pairs, flags))
  withEntityOptions(
    withClientOptions(quota.command('remove [keys...]').description('remove quotas; without keys, all quotas of the entity')),
  )
    .option('--dry-run', 'only validate the request')
    .action(async (keys, flags) => (await import('./quota.ts')).removeQuota(keys, flags))
}

const quotaKeys =
  'producer_byte_rate and consumer_byte_rate (bytes/s), request_percentage, controller_mutation_rate (partitions/s), connection_creation_rate (per s, of --ip)'
const quotaExamples = `
Examples:
  millrace quota set producer_byte_rate=1048576 --user alice
  millrace quota set consumer_byte_rate=2097152 --user alice --client-id reports
  millrace quota set request_percentage=50 --user-default
  millrace quota set connection_creation_rate=20 --ip 192.0.2.7`

function withEntityOptions(command: Command): Command {
  return command
    .option('--user <name>', 'a user; with --client-id, that client id of that user')
    .option('--user-default', 'every user without a quota of its own')
    .option('--client-id <id>', 'a client id')
    .option('--client-id-default', 'every client id without a quota of its own')
    .option('--ip <address>', 'an address')
    .option('--ip-default', 'every address without a quota of its own')
}

export function addToken(program: Command): void {
  const token = program.command('token').description('create, renew, expire and list delegation tokens')
  withClientOptions(token.command('create').description('create a token; its secret is shown only once'))
    .option('--owner <name>', 'create it for this user instead of yourself')
    .option('--renewer <name>', 'user who may also renew it; repeatable', repeated)
    .option('--max-lifetime <duration>', 'longest lifetime including renewals: 12h, 7d (default: the maximum of the broker)', duration)
    .action(async flags => (await import('./token.ts')).createToken(flags))
  withClientOptions(token.command('renew <id>').description('extend the lifetime of a token'))
    .option('--period <duration>', 'new lifetime from now (default: the maximum of the broker)', duration)
    .action(async (id, flags) => (await import('./token.ts')).renewToken(id, flags))
  withClientOptions(token.command('expire <id>').description('expire a token'))
    .option('--period <duration>', 'remaining lifetime (default: none)', duration)
    .action(async (id, flags) => (await import('./token.ts')).expireToken(id, flags))
  withClientOptions(token.command('list').description('list tokens that you can see'))
    .option('--owner <name>', 'only tokens of this owner; repeatable', repeated)
    .action(async flags => (await import('./token.ts')).listTokens(flags))
}
