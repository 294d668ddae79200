/** The versions of a trigger: who made them, what changed between two, and the way back. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { asked, call } from '../../api.ts'
import { time, utc } from '../../format.ts'
import { useRefresh } from '../../refresh.ts'
import { Button, Select } from '../../ui/button.tsx'
import { linesBetween } from '../../ui/lines.ts'
import { Content } from '../../ui/page.tsx'
import { Failed, Loading, Refused } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { asDefinition, isCode } from './definition.ts'
import css from './triggers.module.css'

const here = getRouteApi('/triggers/$trigger/versions')

export function TriggerVersions() {
  const { trigger } = here.useParams()
  const { compare } = here.useSearch()
  const navigate = here.useNavigate()
  const refresh = useRefresh('/triggers')
  const found = useQuery(asked('GET /triggers/:trigger/versions', { params: { trigger } }))
  const restoring = useMutation({
    async mutationFn(version: number) {
      await call('POST /triggers/:trigger/versions/:version/restore', { params: { trigger, version }, body: {} })
      await refresh()
    },
  })
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} />
  const { versions } = found.data
  const newest = versions[0]!.version
  return (
    <>
      {restoring.error !== null && <Refused error={restoring.error} />}
      <Content>
        <Table
          label="Versions"
          heads={['Version', 'Made', 'By', 'What', 'Bring back']}
          right={[0]}
          rows={versions.map(({ version, at, by, restores }) => {
            const ms = String(Date.parse(at))
            return [
              version,
              <span key="at" title={utc(ms)}>
                {time(ms)}
              </span>,
              by.replace(/^User:/, ''),
              restores === null
                ? version === newest
                  ? 'runs now'
                  : ''
                : `brings back version ${restores}${version === newest ? ', runs now' : ''}`,
              version === newest ? (
                ''
              ) : (
                <Button key="restore" small disabled={restoring.isPending} onClick={() => restoring.mutate(version)}>
                  Roll back to {version}
                </Button>
              ),
            ]
          })}
        />
        {versions.length > 1 && (
          <div>
            <Select
              aria-label="Compare with"
              value={compare ?? ''}
              onChange={event =>
                void navigate({
                  replace: true,
                  search: { compare: event.target.value === '' ? undefined : Number(event.target.value) } as never,
                })
              }
            >
              <option value="">What has changed since…</option>
              {versions.slice(1).map(({ version }) => (
                <option key={version} value={version}>
                  Changes since version {version}
                </option>
              ))}
            </Select>
          </div>
        )}
        {compare !== undefined && <Changes trigger={trigger} from={compare} to={newest} />}
      </Content>
    </>
  )
}

function Changes({ trigger, from, to }: { trigger: string; from: number; to: number }) {
  const before = useVersion(trigger, from)
  const after = useVersion(trigger, to)
  if (before.isError) return <Failed error={before.error} retry={() => void before.refetch()} />
  if (before.data === undefined || after.data === undefined) return <Loading rows={4} />
  const lines = linesBetween(textOf(before.data.definition), textOf(after.data.definition))
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has only a keyboard scrolls it with the arrows
    <section className={css['changes']} aria-label={`Changes since version ${from}`} tabIndex={0}>
      <pre>
        {lines.map(({ kind, text }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines may be the same
          <span key={at} className={css[kind]}>
            {kind === 'same' ? '  ' : kind === 'added' ? '+ ' : '− '}
            {text}
          </span>
        ))}
      </pre>
    </section>
  )
}

function useVersion(trigger: string, version: number) {
  return useQuery({
    ...asked('GET /triggers/:trigger/versions/:version', { params: { trigger, version } }),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** The code as it is written, and the settings below it. */
function textOf(given: Record<string, unknown>): string {
  const definition = asDefinition(given)
  if (!isCode(definition.function)) return JSON.stringify(definition, null, 2)
  const { code, ...rest } = definition.function
  return `${code}\n\n${JSON.stringify({ ...definition, function: rest }, null, 2)}`
}
