import { type FormEvent, useState } from 'react';
import { addBudget, changeBudget, listBudgets, removeBudget } from '../../client/rest/index.js';
import type { BudgetOf, BudgetPeriod, BudgetView } from '../../protocol/budgets.js';
import { t } from '../strings/t.js';
import { useConsole } from '../views/use-console.js';
import { AddForm } from './add-form.js';
import { CardList } from './card-list.js';
import { dollars, tokens } from './format.js';
import { Loaded } from './loaded.js';
import { Moment } from './moment.js';
import { Refusal } from './refusal.js';
import { Select } from './select.js';
import { SureButton } from './sure-button.js';
import { useAction } from './use-action.js';
import { useLoad } from './use-load.js';

type Unit = 'dollars' | 'tokens';

const UNITS = {
  dollars: { words: dollars, least: '0.01', inputMode: 'decimal' },
  tokens: {
    words: (count: number) => t('budgets.inTokens', { count: tokens(count) }),
    least: '1',
    inputMode: 'numeric',
  },
} as const;

const unitOf = (budget: BudgetView): Unit => (budget.dollars === undefined ? 'tokens' : 'dollars');

/** How much may be used, and how far that is. */
export function Budgets() {
  const budgets = useLoad(listBudgets);
  return (
    <section aria-labelledby="budgets">
      <h2 id="budgets">{t('budgets.title')}</h2>
      <Loaded of={budgets}>
        {({ budgets: listed }) => (
          <CardList items={listed} keyOf={(budget) => budget.budgetId} none={t('budgets.none')}>
            {(budget) => <Budget budget={budget} onChanged={budgets.again} />}
          </CardList>
        )}
      </Loaded>
      <AddBudget onAdded={budgets.again} />
    </section>
  );
}

interface BudgetProps {
  budget: BudgetView;
  onChanged: () => Promise<void>;
}

function Budget({ budget, onChanged }: BudgetProps) {
  const { link } = useConsole();
  const action = useAction();
  const { budgetId, used, state, resetsAt, stop } = budget;
  const inUnit = UNITS[unitOf(budget)].words;
  const most = budget.dollars ?? budget.tokens ?? 0;
  const words = t('budgets.of', {
    most: inUnit(most),
    of: t(`budgets.of.${budget.of}`),
    period: t(`budgets.period.${budget.period}`),
  });
  const remove = async () => {
    await removeBudget(link.rest, { params: { id: budgetId } });
    await onChanged();
  };
  return (
    <>
      <label>
        <strong>{words}</strong> <span className={`tag ${state}`}>{t(`budgets.state.${state}`)}</span>
        <meter min={0} max={most} high={most * budget.warnAt} value={Math.min(used, most)} />
      </label>
      <p className="quiet">
        {t('budgets.used', { used: inUnit(used) })} {stop && t('budgets.stops')}{' '}
        {resetsAt !== undefined && (
          <>
            {t('budgets.resets')} <Moment at={resetsAt} />
          </>
        )}
      </p>
      <Refusal reason={action.refusal} />
      <div className="row">
        <Change key={most} budget={budget} words={words} onChanged={onChanged} />
        <SureButton
          label={t('budgets.removeOf', { words })}
          question={t('budgets.removeSure')}
          isBusy={action.isBusy}
          onSure={() => void action.run(remove)}
        >
          {t('budgets.remove')}
        </SureButton>
      </div>
    </>
  );
}

/** Another limit, in the unit that the budget has. */
function Change({ budget, words, onChanged }: BudgetProps & { words: string }) {
  const { link } = useConsole();
  const action = useAction();
  const unit = unitOf(budget);
  const [isOpen, setOpen] = useState(false);
  const [amount, setAmount] = useState(String(budget[unit] ?? ''));
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => {
      await changeBudget(link.rest, { params: { id: budget.budgetId }, body: { [unit]: Number(amount) } });
      await onChanged();
    });
  };
  if (!isOpen) {
    return (
      <button type="button" aria-label={t('budgets.changeOf', { words })} onClick={() => setOpen(true)}>
        {t('budgets.change')}
      </button>
    );
  }
  return (
    <form onSubmit={onSubmit}>
      <Amount unit={unit} label={t(`budgets.most.${unit}`)} value={amount} onChange={setAmount} />
      <Refusal reason={action.refusal} />
      <button type="submit" disabled={action.isBusy}>
        {t('devices.save')}
      </button>
    </form>
  );
}

interface AmountProps {
  unit: Unit;
  label: string;
  value: string;
  onChange: (value: string) => void;
}

function Amount({ unit, label, value, onChange }: AmountProps) {
  const { least, inputMode } = UNITS[unit];
  return (
    <label>
      {label}
      <input
        type="number"
        min={least}
        step={least}
        inputMode={inputMode}
        value={value}
        onChange={({ target }) => onChange(target.value)}
        required
      />
    </label>
  );
}

const OF: readonly BudgetOf[] = ['person', 'session'];
const PERIODS: readonly BudgetPeriod[] = ['day', 'week', 'always'];

function AddBudget({ onAdded }: { onAdded: () => Promise<void> }) {
  const { link } = useConsole();
  const [amount, setAmount] = useState('');
  const [unit, setUnit] = useState<Unit>('dollars');
  const [of, setOf] = useState<BudgetOf>('person');
  const [period, setPeriod] = useState<BudgetPeriod>('day');
  const [stop, setStop] = useState(false);
  const add = async () => {
    await addBudget(link.rest, { body: { of, period, [unit]: Number(amount), stop } });
    setAmount('');
    await onAdded();
  };
  return (
    <AddForm title={t('budgets.new')} submit={t('budgets.add')} onAdd={add}>
      <Select
        label={t('budgets.unit')}
        value={unit}
        options={['dollars', 'tokens']}
        onChoose={setUnit}
        wordsOf={(one) => t(`budgets.${one}`)}
      />
      {unit === 'tokens' && <p className="quiet">{t('budgets.tokensHelp')}</p>}
      <Amount unit={unit} label={t(`budgets.${unit}`)} value={amount} onChange={setAmount} />
      <Select
        label={t('budgets.whose')}
        value={of}
        options={OF}
        onChoose={setOf}
        wordsOf={(one) => t(`budgets.of.${one}`)}
      />
      <Select
        label={t('budgets.period')}
        value={period}
        options={PERIODS}
        onChoose={setPeriod}
        wordsOf={(one) => t(`budgets.period.${one}`)}
      />
      <label className="choice">
        <input type="checkbox" checked={stop} onChange={({ target }) => setStop(target.checked)} />
        {t('budgets.stop')}
      </label>
    </AddForm>
  );
}
