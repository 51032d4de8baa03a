import type { FormEvent } from 'react';
import * as z from 'zod';
import { type FormProperty, type FormValue, problemOf, propertiesOf } from '../../protocol/elicitation-form.js';
import { t } from '../strings/t.js';
import { FormField } from './form-field.js';
import { useKeptAnswer } from './kept-answers.js';
import type { RequestProps } from './permission-card.js';

const askedSchema = z.object({
  message: z.string().optional(),
  mode: z.string().optional(),
  schema: z.unknown(),
  order: z.array(z.string()).optional().catch(undefined),
  url: z.string().optional(),
  host: z.string().optional(),
});

type Values = Record<string, FormValue>;

/** What an MCP server asks: a form to fill, or a page to open. The server has written all of it. */
export function Elicitation(props: RequestProps) {
  const { data } = askedSchema.safeParse(props.request.toolInput);
  return (
    <>
      {data?.message !== undefined && <p dir="auto">{data.message}</p>}
      {data?.mode === 'url' && data.url !== undefined ? (
        <WebPage {...props} url={data.url} host={data.host ?? ''} />
      ) : (
        <Form {...props} properties={propertiesOf(data?.schema, data?.order)} />
      )}
    </>
  );
}

/** Opened by the person alone, who has seen its host. */
function WebPage({ url, host, isBusy, onAnswer }: RequestProps & { url: string; host: string }) {
  const isWeb = /^https?:\/\//.test(url);
  return (
    <>
      <p dir="ltr">
        <strong>{host}</strong> <span className="quiet">{url}</span>
      </p>
      <div className="row">
        {isWeb && (
          <a className="button" href={url} target="_blank" rel="noopener noreferrer">
            {t('elicitation.open', { host })}
          </a>
        )}
        <Answers isBusy={isBusy} isReady onAllow={() => onAnswer('allow')} onDeny={() => onAnswer('deny')} />
      </div>
    </>
  );
}

const defaultsOf = (properties: readonly FormProperty[]): Values =>
  Object.fromEntries(
    properties.flatMap(({ name, isRequired, rules }): [string, FormValue][] => {
      if (rules.default !== undefined) return [[name, rules.default]];
      // A box that is not ticked is an answer.
      return rules.type === 'boolean' && isRequired ? [[name, false]] : [];
    }),
  );

function Form({ request, properties, isBusy, onAnswer }: RequestProps & { properties: readonly FormProperty[] }) {
  const [values, setValues] = useKeptAnswer<Values>(request.permissionId, 'values', () => defaultsOf(properties));
  const change = (name: string, value: FormValue | undefined) => {
    const { [name]: _, ...others } = values;
    setValues(value === undefined ? others : { ...others, [name]: value });
  };
  const problems = properties.map((property) => {
    const value = values[property.name];
    if (value === undefined) return property.isRequired ? '' : undefined;
    return problemOf(property, value);
  });
  const isReady = problems.every((problem) => problem === undefined);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (isReady) onAnswer('allow', { answers: values });
  };
  return (
    <form onSubmit={onSubmit} noValidate>
      {properties.map((property, index) => (
        <FormField
          key={property.name}
          property={property}
          value={values[property.name]}
          problem={problems[index]}
          onChange={(value) => change(property.name, value)}
        />
      ))}
      <div className="row">
        <Answers isBusy={isBusy} isReady={isReady} onDeny={() => onAnswer('deny')} />
      </div>
    </form>
  );
}

interface AnswersProps {
  isBusy: boolean;
  isReady: boolean;
  /** Absent: it submits the form. */
  onAllow?: () => void;
  onDeny: () => void;
}

function Answers({ isBusy, isReady, onAllow, onDeny }: AnswersProps) {
  return (
    <>
      <button type={onAllow ? 'button' : 'submit'} className="primary" disabled={isBusy || !isReady} onClick={onAllow}>
        {t('permission.answer')}
      </button>
      <button type="button" disabled={isBusy} onClick={onDeny}>
        {t('permission.deny')}
      </button>
    </>
  );
}
