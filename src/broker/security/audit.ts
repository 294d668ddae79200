/**
 * The audit log of one request: one line for each type of resource that was denied (or, at level debug, permitted), with their number and
 * the first few names. With a line for each name, a client without any permission could write megabytes to the log with one request.
 */
import type { Operation, ResourceType } from '../dispatch/handler.ts'

/** One decision of the authorizer that a client requested. */
export interface Decision {
  readonly principal: string
  readonly host: string
  readonly operation: Operation
  readonly resourceType: ResourceType
  readonly resource: string
  readonly allowed: boolean
}

export interface Audited {
  decided(decision: Decision): void
}

const mostNames = 5
/** Names of groups and transactions may have 32 KiB. */
const longestName = 256

interface Summary {
  readonly first: Decision
  readonly operations: Set<Operation>
  readonly names: string[]
  count: number
}

export class RequestAudit implements Audited {
  readonly #api: string
  readonly #summaries = new Map<string, Summary>()

  constructor(api: string) {
    this.#api = api
  }

  decided(decision: Decision): void {
    const { resourceType, allowed, resource, operation } = decision
    const key = `${resourceType} ${allowed}`
    let summary = this.#summaries.get(key)
    if (summary === undefined) this.#summaries.set(key, (summary = { first: decision, operations: new Set(), names: [], count: 0 }))
    summary.operations.add(operation)
    if (summary.names.at(-1) === resource) return
    summary.count++
    if (summary.names.length < mostNames) summary.names.push(resource)
  }

  /** `details` contains all operations, the number of names if there are several, and the first of them. */
  *lines(): Generator<{ first: Decision; details: object }> {
    for (const { first, operations, names, count } of this.#summaries.values()) {
      const { principal, host, resourceType } = first
      const resources = names.map(shortened)
      const several = count === 1 ? {} : { count, resources }
      const operation = [...operations].join(', ')
      yield { first, details: { principal, host, operation, resourceType, resource: resources[0], api: this.#api, ...several } }
    }
  }
}

function shortened(name: string): string {
  return name.length <= longestName ? name : `${name.slice(0, longestName)}…`
}
