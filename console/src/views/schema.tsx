/** One subject: its versions, what changed between two of them, and its compatibility. */
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { asked, call } from '../api.ts'
import { counted } from '../format.ts'
import { Button, Select } from '../ui/button.tsx'
import { ConfirmByName } from '../ui/dialog.tsx'
import { type Line, linesBetween } from '../ui/lines.ts'
import { Bar, Page } from '../ui/page.tsx'
import { Failed, Loading } from '../ui/states.tsx'
import { NewVersion, prettySchema, typeName } from './schema-editor.tsx'
import css from './schemas.module.css'

const here = getRouteApi('/schemas/$subject')
const levels = ['BACKWARD', 'BACKWARD_TRANSITIVE', 'FORWARD', 'FORWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE', 'NONE'] as const

export function Schema() {
  const { subject } = here.useParams()
  const { version, against } = here.useSearch()
  const navigate = useNavigate({ from: '/schemas/$subject' })
  const info = useQuery(asked('GET /schemas/:subject', { params: { subject } }))
  const versions = info.data?.versions ?? []
  const shown = version ?? versions.at(-1)
  const one = useVersion(subject, shown)
  const other = useVersion(subject, against)
  if (info.isError)
    return (
      <Page title={subject}>
        <Failed error={info.error} retry={() => void info.refetch()} />
      </Page>
    )
  const { data } = one
  // What is in the cache is not what was asked for.
  const compared = against === undefined ? undefined : other.data
  const go = (changes: Record<string, unknown>) => void navigate({ replace: true, search: before => ({ ...before, ...changes }) as never })
  return (
    <Page
      title={subject}
      facts={
        info.data === undefined || data === undefined
          ? []
          : [typeName(data.type), counted(versions.length, 'version'), `schema id ${data.id}`]
      }
      actions={
        data !== undefined && (
          <>
            <NewVersion subject={subject} draft={{ type: data.type as 'AVRO', schema: prettySchema(data), references: data.references }} />
            <Remove subject={subject} versions={versions.length} />
          </>
        )
      }
    >
      <Bar>
        <Select aria-label="Version" value={shown ?? ''} onChange={event => go({ version: Number(event.target.value) })}>
          {versions.map(each => (
            <option key={each} value={each}>
              Version {each}
            </option>
          ))}
        </Select>
        <Select
          aria-label="Compare with"
          value={against ?? ''}
          onChange={event => go({ against: event.target.value === '' ? undefined : Number(event.target.value) })}
        >
          <option value="">Compare with…</option>
          {versions
            .filter(each => each !== shown)
            .map(each => (
              <option key={each} value={each}>
                Changes since version {each}
              </option>
            ))}
        </Select>
        {info.data !== undefined && <Compatibility subject={subject} level={info.data.compatibility} own={info.data.ownCompatibility} />}
      </Bar>
      {one.isError ? (
        <Failed error={one.error} retry={() => void one.refetch()} />
      ) : data === undefined || (against !== undefined && compared === undefined) ? (
        <Loading />
      ) : (
        <Text lines={linesBetween(prettySchema(compared ?? data), prettySchema(data))} />
      )}
    </Page>
  )
}

function useVersion(subject: string, version: number | undefined) {
  return useQuery({
    ...asked('GET /schemas/:subject/versions/:version', { params: { subject, version: version ?? 1 } }),
    enabled: version !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  })
}

const signs = { same: ' ', added: '+', removed: '−' } as const

function Text({ lines }: { lines: readonly Line[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has only a keyboard scrolls it with the arrows
    <section className={css['text']} aria-label="Schema" tabIndex={0}>
      <pre>
        {lines.map(({ kind, text }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines may be the same
          <span key={at} className={css[kind]}>
            <span aria-hidden={kind === 'same'}>{signs[kind]} </span>
            {text}
          </span>
        ))}
      </pre>
    </section>
  )
}

function Compatibility({ subject, level, own }: { subject: string; level: string; own: boolean }) {
  const queries = useQueryClient()
  const set = async (compatibility: string) => {
    const body = { compatibility: compatibility === '' ? null : compatibility }
    await call('PATCH /schemas/:subject/compatibility', { params: { subject }, body })
    await queries.invalidateQueries({ queryKey: ['GET /schemas/:subject'] })
  }
  return (
    <div className={css['level']}>
      <span aria-hidden="true">Compatibility</span>
      <Select aria-label="Compatibility" value={own ? level : ''} onChange={event => void set(event.target.value)}>
        <option value="">{own ? 'as all subjects' : `as all subjects: ${level}`}</option>
        {levels.map(each => (
          <option key={each}>{each}</option>
        ))}
      </Select>
    </div>
  )
}

function Remove({ subject, versions }: { subject: string; versions: number }) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const remove = async () => {
    await call('DELETE /schemas/:subject', { params: { subject }, query: { confirm: subject } })
    await navigate({ to: '/schemas' })
    await queries.invalidateQueries()
  }
  return (
    <ConfirmByName
      title={`Delete ${subject}`}
      name={subject}
      action="Delete the subject"
      trigger={<Button kind="bad">Delete</Button>}
      onConfirm={remove}
    >
      The subject with its {counted(versions, 'version')} will be deleted. Records that were written with them can still be read: their
      schemas stay under their ids.
    </ConfirmByName>
  )
}
