/** The schemas of a topic's keys and values, as the registry has them under the usual names. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { asked, type Output } from '../api.ts'
import { counted } from '../format.ts'
import { Content } from '../ui/page.tsx'
import { Command, Empty, Failed, Loading } from '../ui/states.tsx'
import { NewSubject, prettySchema, typeName } from './schema-editor.tsx'
import css from './schemas.module.css'

type Part = Output<'GET /topics/:topic/schemas'>['parts'][number]

const here = getRouteApi('/topics/$topic/schema')

export function TopicSchema() {
  const { topic } = here.useParams()
  const found = useQuery(asked('GET /topics/:topic/schemas', { params: { topic } }))
  if (found.isPending) return <Loading />
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} />
  const { parts, others } = found.data
  if (parts.every(each => each.latest === null) && others.length === 0)
    return (
      <Empty title="This topic has no schema" action={<NewSubject subject={`${topic}-value`} />}>
        <p>
          The registry has neither {topic}-key nor {topic}-value. Records without a schema are shown as they look.
        </p>
        <Command text={`millrace schema register ${topic}-value value.avsc`} />
      </Empty>
    )
  return (
    <Content>
      {parts.map(each => (
        <PartSchema key={each.part} part={each} />
      ))}
      {others.length > 0 && (
        <section aria-label="Other subjects">
          <h2 className={css['heading']}>Other subjects whose names begin so</h2>
          <ul className={css['others']}>
            {others.map(subject => (
              <li key={subject}>
                <Link to="/schemas/$subject" params={{ subject }}>
                  {subject}
                </Link>
              </li>
            ))}
          </ul>
        </section>
      )}
    </Content>
  )
}

const names = { key: 'Keys', value: 'Values' } as const

function PartSchema({ part: { part, subject, latest, versions, compatibility } }: { part: Part }) {
  if (latest === null)
    return (
      <section aria-label={names[part]}>
        <h2 className={css['heading']}>{names[part]}</h2>
        <p className={css['level']}>
          There is no subject {subject}. <NewSubject subject={subject} />
        </p>
      </section>
    )
  return (
    <section aria-label={names[part]}>
      <h2 className={css['heading']}>{names[part]}</h2>
      <p className={css['level']}>
        <Link to="/schemas/$subject" params={{ subject }}>
          {subject}
        </Link>
        {` · ${typeName(latest.type)} · version ${latest.version} of ${counted(versions, 'version')} · schema id ${latest.id} · compatibility ${compatibility}`}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has only a keyboard scrolls it with the arrows */}
      <section className={css['newest']} aria-label={`Schema of the ${part}s`} tabIndex={0}>
        <pre>{prettySchema(latest)}</pre>
      </section>
    </section>
  )
}
