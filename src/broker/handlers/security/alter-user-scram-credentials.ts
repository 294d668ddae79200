/**
 * AlterUserScramCredentials, v0 (KIP-554): adds, replaces and removes credentials, one change per user and request. The client salts the
 * password; the broker stores only keys derived from it, which do not suffice to log in.
 */
import { inSlices, type Turns } from '../../../base.ts'
import type { ClusterSecurity, ScramDeletion, ScramUpsertion } from '../../../coordinator.ts'
import { apis, KafkaError, type MessageOf } from '../../../protocol.ts'
import { fewEntries, manyThings } from '../../dispatch/cost.ts'
import { resultsOf } from '../../dispatch/failed.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'
import { maxIterations, minIterations, scramCredential, scramHashes } from '../../security.ts'

type Request = MessageOf<typeof apis.alterUserScramCredentials.request>

export const alterUserScramCredentials = defineHandler<typeof apis.alterUserScramCredentials>({
  api: apis.alterUserScramCredentials,
  versions: [0, 0],
  access: [['CLUSTER', 'ALTER']],
  onNewestMetadata: true,
  cost: manyThings(null, fewEntries),
  async handle(request, context) {
    requireCluster(context, 'ALTER')
    const { metadata, logger, turns } = context.broker
    const { deletions, upsertions, refused } = await sort(request, metadata.security.state.scramUsers, turns)
    const outcomes = await metadata.security.alterScramCredentials(deletions, upsertions)
    const results = [...deletions, ...upsertions].map(({ name, mechanism }, index) => {
      const error = outcomes[index]!
      const details = { by: context.connection.principal, user: name, mechanism: scramHashes.find(({ type }) => type === mechanism)?.name }
      if (error === null)
        logger.info(details, index < deletions.length ? 'audit: SCRAM credential deleted' : 'audit: SCRAM credential altered')
      return result(name, error)
    })
    return { throttleTimeMs: 0, results: [...results, ...[...refused].map(([name, error]) => result(name, error))] }
  },
  *fail(request, error) {
    const names = new Set([...request.deletions, ...request.upsertions].map(({ name }) => name))
    return { throttleTimeMs: 0, results: yield* resultsOf([...names], name => result(name, error)) }
  },
})

/**
 * The changes that can be tried, and why the other users cannot be altered. As in Kafka, only the first problem of a user is reported, and a
 * missing credential comes before a duplicate user.
 */
async function sort(request: Request, known: ClusterSecurity['state']['scramUsers'], turns: Turns) {
  const refused = new Map<string, KafkaError>()
  const deletions = new Map<string, ScramDeletion>()
  const upsertions = new Map<string, Request['upsertions'][number]>()
  const take = <Entry extends ScramDeletion>(entry: Entry, problem: KafkaError | null, entries: Map<string, Entry>) => {
    const { name } = entry
    if (refused.has(name)) return
    const again = deletions.delete(name) || upsertions.delete(name)
    const error = again ? new KafkaError('DUPLICATE_RESOURCE', 'A user credential cannot be altered twice in the same request') : problem
    if (error === null) entries.set(name, entry)
    else refused.set(name, error)
  }
  const missing = ({ name, mechanism }: ScramDeletion) =>
    known.get(name)?.has(mechanism) === true
      ? null
      : new KafkaError('RESOURCE_NOT_FOUND', 'Attempt to delete a user credential that does not exist')
  for (const deletion of request.deletions) take(deletion, problemOf(deletion) ?? missing(deletion), deletions)
  for (const upsertion of request.upsertions) take(upsertion, problemOf(upsertion) ?? strengthOf(upsertion), upsertions)
  const strong = upsertions.values()
  const credentials = await inSlices(turns, strong, ({ name, mechanism, iterations, salt, saltedPassword }): ScramUpsertion => {
    const hash = scramHashes.find(({ type }) => type === mechanism)!
    return { name, mechanism, credential: scramCredential(hash, saltedPassword, salt, iterations) }
  })
  return { deletions: [...deletions.values()], upsertions: credentials, refused }
}

function problemOf({ name, mechanism }: ScramDeletion): KafkaError | null {
  if (name === '') return new KafkaError('UNACCEPTABLE_CREDENTIAL', 'Username must not be empty')
  const known = scramHashes.some(({ type }) => type === mechanism)
  return known ? null : new KafkaError('UNSUPPORTED_SASL_MECHANISM', 'Unknown SCRAM mechanism')
}

function strengthOf({ mechanism, iterations, salt, saltedPassword }: Request['upsertions'][number]): KafkaError | null {
  const weak = (reason: string) => new KafkaError('UNACCEPTABLE_CREDENTIAL', reason)
  if (iterations < minIterations) return weak('Too few iterations')
  if (iterations > maxIterations) return weak('Too many iterations')
  const { bytes } = scramHashes.find(({ type }) => type === mechanism)!
  return salt.length === 0 || saltedPassword.length !== bytes ? weak('Salt or salted password of the wrong length') : null
}

function result(user: string, error: KafkaError | null) {
  return { user, errorCode: error?.code ?? 0, errorMessage: error?.message ?? null }
}
